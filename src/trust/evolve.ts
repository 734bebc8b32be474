/** What a mesh's trust becomes by each event. Total and pure: every recorded history folds. */
import type { EventContext } from '../decision.ts';
import type { Authority, Delegation, Issuer } from './certificates.ts';
import type { TrustEvent } from './events.ts';
import { skewOf } from './gates.ts';
import { type Phase, type Rotation, settingsOf, type TrustState } from './state.ts';

const REMEMBERED = 20;

export function evolve(state: TrustState, event: TrustEvent, context: EventContext): TrustState {
  const after = folded(state, event, context);
  return saysTheSame(state, after) ? after : { ...after, settingsVersion: context.version };
}

/** Whether workloads are to trust the same roots and have leafs of the same issuer and life. */
function saysTheSame(before: TrustState, after: TrustState): boolean {
  const told = (state: TrustState) => {
    const settings = settingsOf(state);
    const roots = settings?.roots.map(({ fingerprint }) => fingerprint).sort();
    return settings && JSON.stringify([roots, settings.signer.issuer.fingerprint, state.spec?.leafLifeMs]);
  };
  return told(before) === told(after);
}

function folded(state: TrustState, event: TrustEvent, { version, at }: EventContext): TrustState {
  switch (event.type) {
    case 'TrustSpecified': {
      const { spec, trustDomain, dataPlanes, specVersion } = event;
      return { ...withFormerLeafs(state, spec.leafLifeMs, at), spec, trustDomain, dataPlanes, specVersion };
    }
    case 'TrustReleased': {
      const { spec: _spec, rotation: _rotation, ...rest } = withFormerLeafs(state, 0, at);
      // Nobody makes what was called for: whoever takes certificates up again calls for it anew.
      const current = rest.current && { ...rest.current, ...undue(rest.current) };
      return { ...rest, ...(current ? { current } : {}), establishing: false, renewing: [], specVersion: event.specVersion };
    }
    case 'EstablishingBegun':
      return { ...state, establishing: true };
    case 'AuthorityEstablished':
      return { ...state, current: event.authority, establishing: false };
    case 'RotationBegun': {
      const { cause, by, reason, adopts } = event;
      const rotation: Rotation = {
        id: `r${version}`,
        cause,
        startedAt: at,
        startedBy: by,
        ...(reason === undefined ? {} : { reason }),
        ...(adopts === undefined ? {} : { adopts }),
        phase: { name: 'preparing', since: at },
        approvals: {},
        insisted: [],
      };
      return { ...state, rotation };
    }
    case 'IssuerDue':
      return { ...state, renewing: [...state.renewing, event.root] };
    case 'IssuerRenewed':
      return withIssuer({ ...state, renewing: state.renewing.filter((root) => root !== event.root) }, event.root, event.issuer);
    case 'IssuerDelegated':
      return withAuthority(state, event.root, (authority) => delegating(authority, event.delegation, at));
    case 'DelegationDue':
      return withAuthority(state, event.root, (authority) => delegationDue(authority, event.dataPlane));
    case 'ExpiryNoted':
      return { ...state, noted: event.items };
    default:
      return state.rotation ? rotating(state, state.rotation, event, at) : state;
  }
}

type RotationEvent = Exclude<
  TrustEvent,
  {
    type:
      | 'TrustSpecified'
      | 'TrustReleased'
      | 'EstablishingBegun'
      | 'AuthorityEstablished'
      | 'RotationBegun'
      | 'IssuerDue'
      | 'IssuerRenewed'
      | 'IssuerDelegated'
      | 'DelegationDue'
      | 'ExpiryNoted';
  }
>;

function rotating(state: TrustState, rotation: Rotation, event: RotationEvent, at: number): TrustState {
  const to = (phase: Phase): TrustState => {
    const { overdue: _overdue, heldBy: _heldBy, ...rest } = rotation;
    return { ...state, rotation: { ...rest, phase } };
  };
  const having = (changed: Partial<Rotation>): TrustState => ({ ...state, rotation: { ...rotation, ...changed } });
  switch (event.type) {
    case 'AuthorityPrepared':
      return { ...state, rotation: { ...rotation, to: event.authority, phase: { name: 'prepared', since: at } } };
    case 'DistributionBegun': {
      const distributing = to({ name: 'distributing', since: at });
      if (event.by === undefined || !distributing.rotation) return distributing;
      return { ...distributing, rotation: { ...distributing.rotation, usedBy: event.by } };
    }
    case 'IssuingBegun':
      return to({ name: 'issuing', since: at });
    case 'SoakBegun':
      return to({ name: 'soaking', since: at, until: event.until });
    case 'BundlePruned':
      return to({ name: 'pruned', since: at });
    case 'RetirementBegun':
      return to({ name: 'retired', since: at });
    case 'RootsRestored':
      return to({ name: 'restoring', since: at });
    case 'IssuerReturned':
      return to({ name: 'returning', since: at });
    case 'NewRootDropped':
      return to({ name: 'dropping', since: at });
    case 'DiscardingBegun':
      return to({ name: 'discarding', since: at });
    case 'GatePassedOnce': {
      const phase = passedAt(rotation.phase, at);
      return having({ phase: phase.name === 'returning' && event.until !== undefined ? { ...phase, until: event.until } : phase });
    }
    case 'RotationHastened': {
      const { phase } = rotation;
      const soaked = phase.name === 'soaking' ? { ...phase, until: Math.min(phase.until, at) } : phase;
      const { adopts, ...rest } = rotation;
      // A version that is not verified yet may be no root; one is made instead.
      const kept = phase.name === 'preparing' || adopts === undefined ? rest : rotation;
      const hastened = { ...kept, cause: event.cause, phase: soaked, ...(event.reason === undefined ? {} : { reason: event.reason }) };
      return { ...state, rotation: hastened };
    }
    case 'AbortRevoked': {
      const { aborted: _aborted, ...rest } = rotation;
      return { ...state, rotation: rest };
    }
    case 'GateFellBack':
      return having({ phase: passedAt(rotation.phase, undefined) });
    case 'PhaseHeld':
      return having({ heldBy: event.because });
    case 'PhaseOverdue':
      return having({ overdue: event.phase, heldBy: event.because });
    case 'GateApproved':
      return having({ approvals: { ...rotation.approvals, [event.gate]: event.by } });
    case 'GateForced':
      return having({ insisted: [...rotation.insisted, event.phase] });
    case 'AbortBegun': {
      const { by, reason, from } = event;
      return having({ aborted: { by, from, ...(reason === undefined ? {} : { reason }) } });
    }
    case 'RotationCompleted':
      return ended(state, rotation, 'rotated', at);
    case 'RotationAborted':
      return ended(state, rotation, 'aborted', at);
  }
}

function passedAt(phase: Phase, at: number | undefined): Phase {
  if (!isGated(phase)) return phase;
  const { passedAt: _was, ...rest } = phase;
  return at === undefined ? rest : { ...rest, passedAt: at };
}

export type GatedPhase = Extract<
  Phase,
  { name: 'distributing' | 'issuing' | 'soaking' | 'pruned' | 'restoring' | 'returning' | 'dropping' }
>;
export const isGated = (phase: Phase): phase is GatedPhase =>
  phase.name !== 'preparing' && phase.name !== 'prepared' && phase.name !== 'retired' && phase.name !== 'discarding';

function ended(state: TrustState, rotation: Rotation, outcome: 'rotated' | 'aborted', at: number): TrustState {
  const { id, cause, to, adopts } = rotation;
  const { rotation: _rotation, ...rest } = state;
  const current = outcome === 'rotated' ? (to ?? state.current) : state.current;
  const roots = [state.current, to].flatMap((root) => (root ? [root.certificateId] : []));
  const certificateIds = [...new Set([...roots, ...(adopts === undefined ? [] : [adopts])])];
  return {
    ...rest,
    ...(current ? { current } : {}),
    renewing: state.renewing.filter((root) => root === current?.fingerprint),
    ended: [{ id, cause, at, outcome, certificateIds }, ...state.ended].slice(0, REMEMBERED),
  };
}

/** Where leafs are to live less long from now on, those that were issued before still live as long as they did. */
function withFormerLeafs(state: TrustState, lifeMs: number, at: number): TrustState {
  const was = state.spec?.leafLifeMs ?? 0;
  if (was <= lifeMs) return state;
  const formerLeafs = state.formerLeafs && state.formerLeafs.until > at ? state.formerLeafs : undefined;
  const until = at + was + skewOf(was);
  return { ...state, formerLeafs: { lifeMs: Math.max(was, formerLeafs?.lifeMs ?? 0), until: Math.max(until, formerLeafs?.until ?? 0) } };
}

function withIssuer(state: TrustState, root: string, issuer: Issuer): TrustState {
  return withAuthority(state, root, (authority) => {
    const { fingerprint, notAfter, keyId } = authority.issuer;
    // Its leafs end with it: what ended before this one began is of no one any more.
    const former = [{ fingerprint, notAfter, keyId }, ...authority.formerIssuers].filter((each) => each.notAfter > issuer.notBefore);
    return { ...authority, issuer, formerIssuers: former };
  });
}

function withAuthority(state: TrustState, root: string, change: (authority: Authority) => Authority): TrustState {
  const changed = (authority: Authority): Authority => (authority.fingerprint === root ? change(authority) : authority);
  const { current, rotation } = state;
  return {
    ...state,
    ...(current ? { current: changed(current) } : {}),
    ...(rotation ? { rotation: { ...rotation, ...(rotation.to ? { to: changed(rotation.to) } : {}) } } : {}),
  };
}

/** Those that were handed over before may sign until it arrives, and their leafs live on. */
function delegating(authority: Authority, delegation: Delegation, at: number): Authority {
  const before = (authority.delegated ?? []).filter(({ notAfter }) => notAfter > at);
  return { ...authority, delegated: [delegation, ...before] };
}

const undue = ({ delegated }: Authority): Pick<Authority, 'delegated'> =>
  delegated ? { delegated: delegated.map(({ due: _due, ...each }) => each) } : {};

function delegationDue(authority: Authority, dataPlane: string): Authority {
  const { delegated = [] } = authority;
  const newest = delegated.find((each) => each.dataPlane === dataPlane);
  return { ...authority, delegated: delegated.map((each) => (each === newest ? { ...each, due: true } : each)) };
}
