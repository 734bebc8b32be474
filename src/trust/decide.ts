/**
 * The one decision function of a mesh's trust: state, command and context in, events and effects (or a refusal) out. Pure: the clock and
 * what was seen come in.
 */
import { type Decision, refused, unchanged } from '../decision.ts';
import { rotate } from './beginning.ts';
import { abort, approve, force, proceed } from './by-hand.ts';
import type { Of, TrustCommand, TrustContext } from './commands.ts';
import { Draft } from './draft.ts';
import { elapsed } from './elapsed.ts';
import type { TrustEvent } from './events.ts';
import { noteExpiring } from './expiring.ts';
import { looked } from './phases.ts';
import type { TrustState } from './state.ts';
import { authorityMade, delegate, issuerMade, keyDisabled, nothingMade } from './vault-answers.ts';

export function decide(state: TrustState, command: TrustCommand, context: TrustContext): Decision<TrustEvent> {
  switch (command.type) {
    case 'Specify':
      return specify(state, command, context);
    case 'Release':
      return release(state, command, context);
    case 'Rotate':
      return rotate(state, command, context);
    case 'AuthorityMade':
      return authorityMade(state, command, context);
    case 'NothingMade':
      return nothingMade(state, command, context);
    case 'IssuerMade':
      return issuerMade(state, command, context);
    case 'Delegate':
      return delegate(state, command, context);
    case 'Proceed':
      return proceed(state, command, context);
    case 'Approve':
      return approve(state, command, context);
    case 'Looked': {
      const draft = new Draft(state, context);
      looked(draft, command.look);
      return draft.accepted('The fleet was looked at.');
    }
    case 'Force':
      return force(state, command, context);
    case 'Abort':
      return abort(state, command, context);
    case 'KeyDisabled':
      return keyDisabled(state, command, context);
    case 'NoteExpiring':
      return noteExpiring(state, command, context);
    case 'Elapsed':
      return elapsed(state, context);
  }
}

function specify(state: TrustState, command: Of<'Specify'>, context: TrustContext): Decision<TrustEvent> {
  const { spec, trustDomain, specVersion } = command;
  if (specVersion <= state.specVersion) return unchanged('OlderSpec', 'This or a newer spec is in force already.');
  const dataPlanes = [...command.dataPlanes].sort();
  const draft = new Draft(state, context).record({ type: 'TrustSpecified', spec, trustDomain, dataPlanes, specVersion });
  if (draft.state.current) draft.bring();
  else if (!state.establishing) draft.record({ type: 'EstablishingBegun' }).effect({ kind: 'make', target: 'first' });
  return draft.accepted(`The certificates of ${trustDomain} are made as this spec says.`);
}

function release(state: TrustState, { specVersion }: Of<'Release'>, context: TrustContext): Decision<TrustEvent> {
  if (!state.spec || specVersion <= state.specVersion) return unchanged('OlderSpec', 'This or a newer spec is in force already.');
  if (state.rotation)
    return refused('RotationUnderWay', 'A rotation is under way; let it end, or abort it, before certificates are released.');
  const draft = new Draft(state, context).record({ type: 'TrustReleased', specVersion });
  return draft.accepted('Certificates are no longer made here.');
}
