/** What the vault has done, or will not do: a root is there or cannot be, an issuer signs or is handed over, a key is disabled. */
import { type Decision, unchanged } from '../decision.ts';
import { type Authority, signsUnder } from './certificates.ts';
import { type Of, OWN, type TrustContext } from './commands.ts';
import { Draft } from './draft.ts';
import type { TrustEvent } from './events.ts';
import { goBack, leave } from './phases.ts';
import type { TrustState } from './state.ts';
import { rootsOf } from './timing.ts';

export function authorityMade(state: TrustState, { wish, authority }: Of<'AuthorityMade'>, context: TrustContext): Decision<TrustEvent> {
  const draft = new Draft(state, context);
  if (wish === 'first' && state.establishing && !state.current) {
    draft.record({ type: 'AuthorityEstablished', authority }).bring().card('trust-established');
    return draft.accepted(`The root ${short(authority)} is in force.`);
  }
  const { rotation } = state;
  if (rotation?.id !== wish || rotation.phase.name !== 'preparing') return unchanged('NotAskedFor', 'Nobody waits for this root any more.');
  draft.record({ type: 'AuthorityPrepared', authority });
  if (rotation.aborted) goBack(draft);
  else if (rotation.cause === 'new-version') draft.card('rotation-prepared');
  else leave(draft);
  return draft.accepted(`The root ${short(authority)} is made and verified.`);
}

export function nothingMade(state: TrustState, { wish, because }: Of<'NothingMade'>, context: TrustContext): Decision<TrustEvent> {
  const { rotation } = state;
  const isPreparing = rotation?.id === wish && rotation.phase.name === 'preparing';
  if (isPreparing && rotation.adopts !== undefined && because !== undefined) {
    return endAdopting(new Draft(state, context), because).accepted(`The rotation ${wish} is undone: ${because}`);
  }
  if (!isPreparing || !rotation.aborted) return unchanged('NotGivenUp', 'Nobody gave this root up.');
  const draft = new Draft(state, context).record({ type: 'RotationAborted' });
  return draft.accepted(`The rotation ${wish} is undone: no root was made.`);
}

/** Nothing of it was begun in the vault: there is nothing to wait for or to put away. */
export function endAdopting(draft: Draft, reason: string): Draft {
  if (!draft.state.rotation?.aborted) {
    draft.record({ type: 'AbortBegun', by: OWN, from: 'preparing', reason }).card('rotation-aborted', reason);
  }
  return draft.record({ type: 'RotationAborted' });
}

const short = ({ fingerprint }: Authority): string => fingerprint.slice(0, 16);

export function issuerMade(state: TrustState, { root, issuer }: Of<'IssuerMade'>, context: TrustContext): Decision<TrustEvent> {
  if (!state.renewing.includes(root)) return unchanged('NotAskedFor', 'Nobody waits for this issuer any more.');
  const draft = new Draft(state, context).record({ type: 'IssuerRenewed', root, issuer });
  if (draft.state.settingsVersion !== state.settingsVersion) draft.bring();
  const kept = issuerKeysOf(draft.state);
  for (const keyId of issuerKeysOf(state)) if (!kept.has(keyId)) draft.effect({ kind: 'ended-key', target: keyId });
  return draft.accepted('Another issuer signs under the same root.');
}

/** Of those that sign, and of those whose leafs may be alive. */
const issuerKeysOf = (state: TrustState): ReadonlySet<string> =>
  new Set(rootsOf(state).flatMap(({ issuer, formerIssuers }) => [issuer, ...formerIssuers].flatMap(({ keyId }) => keyId ?? [])));

export function delegate(state: TrustState, { root, delegation }: Of<'Delegate'>, context: TrustContext): Decision<TrustEvent> {
  const authority = rootsOf(state).find(({ fingerprint }) => fingerprint === root);
  if (!authority || !state.spec) return unchanged('RootUnknown', 'This root signs for nobody any more; nothing is handed over under it.');
  if (signsUnder(authority, delegation.fingerprint)) return unchanged('KnownAlready', 'This issuer is known already.');
  const draft = new Draft(state, context).record({ type: 'IssuerDelegated', root, delegation });
  return draft.accepted(`${delegation.dataPlane} is handed an issuer under the root ${short(authority)}.`);
}

export function keyDisabled(state: TrustState, { root }: Of<'KeyDisabled'>, context: TrustContext): Decision<TrustEvent> {
  const { rotation, current } = state;
  const draft = new Draft(state, context);
  if (rotation?.phase.name === 'retired' && current?.fingerprint === root) {
    draft.record({ type: 'RotationCompleted' }).card('rotation-completed');
    return draft.accepted(`The rotation ${rotation.id} is complete: the key of the old root is disabled.`);
  }
  if (rotation?.phase.name === 'discarding' && rotation.to?.fingerprint === root) {
    draft.record({ type: 'RotationAborted' });
    return draft.accepted(`The rotation ${rotation.id} is undone: the key of the new root is disabled.`);
  }
  return unchanged('NothingWaits', 'Nothing waits for this key.');
}
