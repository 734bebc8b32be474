/**
 * Deciding on drift: differences are looked for elsewhere and come as a command; decided here is only their edge: that they
 * appeared, are others now, or are gone. The same ones seen again say nothing.
 */
import { type Decision, unchanged } from '../decision.ts';
import type { ServiceCommand, ServiceContext } from './commands.ts';
import { type Difference, type Drift, differenceText, inOrder, isRestorable, isSame } from './difference.ts';
import { Draft } from './draft.ts';
import type { ServiceEvent } from './events.ts';
import type { ServiceState } from './state.ts';

const KEPT = 20;
const TOLD = 3;

/** Whether these are what is known already, whenever their authors came by again. */
export function isKnown(known: Drift | undefined, differences: readonly Difference[]): boolean {
  const { kept, more } = keptOf(differences);
  return known === undefined ? differences.length === 0 : known.more === more && isSame(known.differences, kept);
}

export function noteDrift(
  state: ServiceState,
  { dataPlane, differences }: ServiceCommand & { type: 'NoteDrift' },
  context: ServiceContext,
): Decision<ServiceEvent> {
  const known = state.drift[dataPlane];
  if (!state.spec?.dataPlanes.includes(dataPlane)) return unchanged('NotItsDataPlane', `${state.spec?.name} is not on ${dataPlane}.`);
  if (isKnown(known, differences)) return unchanged('NothingNew', `What is to be said of ${dataPlane} was said.`);
  const draft = new Draft(state, context);
  const version = state.stable?.version ?? '';
  if (differences.length === 0) {
    draft.record({ type: 'DriftGone', dataPlane }).card('drift-gone', { version, what: dataPlane });
    return draft.accepted(`${dataPlane} has what was decided again.`);
  }
  const { kept, more } = keptOf(differences);
  draft.record({ type: 'DriftFound', dataPlane, differences: kept, more });
  const restored = differences.some(isRestorable);
  if (restored) draft.restore(dataPlane);
  const told = [...kept.slice(0, TOLD).map(differenceText), ...restOf(kept.length - TOLD + more)].join(' ');
  draft.card('drifted', { version, what: dataPlane, text: restored ? `${told} What nobody else owns is put back.` : told });
  return draft.accepted(`${dataPlane} drifted: ${told}`);
}

const restOf = (count: number): readonly string[] => (count > 0 ? [`And ${count} more.`] : []);

function keptOf(differences: readonly Difference[]): { readonly kept: Difference[]; readonly more: number } {
  const sorted = inOrder(differences);
  return { kept: sorted.slice(0, KEPT), more: Math.max(0, sorted.length - KEPT) };
}
