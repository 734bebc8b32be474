/**
 * The one decision function of a mesh's trust: state, command and context in, events and effects (or a refusal) out. Pure: the clock and
 * what was seen come in.
 */
import { type Decision, refused, unchanged } from '../decision.ts';
import { type Authority, signsUnder } from './certificates.ts';
import type { TrustCommand, TrustContext } from './commands.ts';
import { Draft } from './draft.ts';
import type { TrustEvent } from './events.ts';
import { isGated } from './evolve.ts';
import { noteExpiring } from './expiring.ts';
import { approvedGateOf, goBack, judgePhase, leave, looked, turnForward } from './phases.ts';
import { goesBack, type TrustState } from './state.ts';
import { canGoBack, delegationsOf, hasEnded, isOverdue, livesAt, mustLeaveBy, renewIssuerAt, rootsOf, rotateBy, turnAt } from './timing.ts';

type Of<Type extends TrustCommand['type']> = TrustCommand & { type: Type };

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

function rotate(state: TrustState, command: Of<'Rotate'>, context: TrustContext): Decision<TrustEvent> {
  const { cause, version } = command;
  const { spec, current, rotation, ended } = state;
  if (!spec) return refused('NoCertificates', 'The spec of this mesh has no `certificates`; add them and apply it.');
  if (!current) return unchangedOr(cause, 'NotEstablished', 'The first root is not made yet; it is being asked of the vault.');
  if (rotation && cause === 'compromised') return hasten(state, command, context);
  if (rotation)
    return unchangedOr(cause, 'RotationUnderWay', `The rotation ${rotation.id} is under way (${rotation.phase.name}); one at a time.`);
  if (cause === 'new-version' && version === current.certificateId) {
    return unchanged('InForceAlready', 'This version is the root that is in force.');
  }
  if (cause === 'new-version' && ended.some(({ certificateIds }) => certificateIds.some((id) => id === version))) {
    return unchanged('KnownAlready', 'A rotation to or from this version has ended; nothing about it is new.');
  }
  const over = hasEnded(current, livesAt(state, context.now), context.now);
  // Whether a root has ended is read from the root; whoever says so may speak of another version.
  if ((cause === 'due' || cause === 'expired') && !over && context.now < rotateBy(current, spec)) {
    const by = new Date(rotateBy(current, spec)).toISOString();
    return unchanged('NotDue', `The root counts until ${new Date(current.notAfter).toISOString()}; it is replaced from ${by} on.`);
  }
  const draft = new Draft(state, context);
  return draft.accepted(begin(draft, current, command, over));
}

/** Says what it has begun. `over`: the root has ended. */
function begin(draft: Draft, { notAfter }: Authority, { cause, by, reason, version }: Of<'Rotate'>, over: boolean): string {
  const isKept = cause === 'new-version' || cause === 'compromised';
  const actual = isKept ? cause : over ? 'expired' : cause === 'expired' ? 'due' : cause;
  draft.record({
    type: 'RotationBegun',
    cause: actual,
    by,
    ...(reason === undefined ? {} : { reason }),
    ...(version === undefined ? {} : { adopts: version }),
  });
  const id = draft.state.rotation?.id ?? '';
  draft.effect({ kind: 'make', target: id }).card('rotation-begun');
  return actual === 'expired'
    ? `The root ended at ${new Date(notAfter).toISOString()}, so that no leaf is believed any more: a new one is made and used at once; each workload can talk again as soon as it and whom it calls have it.`
    : `The rotation ${id} has begun: a new root is being made.`;
}

/** People are told that they can't; of an event it is no news. */
const unchangedOr = (cause: Of<'Rotate'>['cause'], why: string, message: string): Decision<TrustEvent> =>
  cause === 'asked' || cause === 'compromised' ? refused(why, message) : unchanged(why, message);

/** What is under way leads away from the compromised root already: its gates can be forced from now on, and nothing soaks. */
function hasten(state: TrustState, { by, reason }: Of<'Rotate'>, context: TrustContext): Decision<TrustEvent> {
  const { rotation } = state;
  if (!rotation || rotation.cause === 'compromised')
    return unchanged('HastenedAlready', 'It is under way as of a compromised root already.');
  if (rotation.aborted) return refused('GoesBack', 'It goes back to that root; let it go forward first (proceed), then say so again.');
  const draft = new Draft(state, context);
  draft.record({ type: 'RotationHastened', cause: 'compromised', by, ...(reason === undefined ? {} : { reason }) });
  if (rotation.phase.name === 'prepared') leave(draft, { by });
  // It adopts nothing any more: whether the vault's own version can be used is not waited for.
  if (rotation.phase.name === 'preparing') draft.effect({ kind: 'make', target: rotation.id });
  return draft.look().card('rotation-phase', reason).accepted(`The rotation ${rotation.id} goes on as of a compromised root.`);
}

function authorityMade(state: TrustState, { wish, authority }: Of<'AuthorityMade'>, context: TrustContext): Decision<TrustEvent> {
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

function nothingMade(state: TrustState, { wish, because }: Of<'NothingMade'>, context: TrustContext): Decision<TrustEvent> {
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
function endAdopting(draft: Draft, reason: string): Draft {
  if (!draft.state.rotation?.aborted) {
    draft.record({ type: 'AbortBegun', by: OWN, from: 'preparing', reason }).card('rotation-aborted', reason);
  }
  return draft.record({ type: 'RotationAborted' });
}

const short = ({ fingerprint }: Authority): string => fingerprint.slice(0, 16);

function issuerMade(state: TrustState, { root, issuer }: Of<'IssuerMade'>, context: TrustContext): Decision<TrustEvent> {
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

function delegate(state: TrustState, { root, delegation }: Of<'Delegate'>, context: TrustContext): Decision<TrustEvent> {
  const authority = rootsOf(state).find(({ fingerprint }) => fingerprint === root);
  if (!authority || !state.spec) return unchanged('RootUnknown', 'This root signs for nobody any more; nothing is handed over under it.');
  if (signsUnder(authority, delegation.fingerprint)) return unchanged('KnownAlready', 'This issuer is known already.');
  const draft = new Draft(state, context).record({ type: 'IssuerDelegated', root, delegation });
  return draft.accepted(`${delegation.dataPlane} is handed an issuer under the root ${short(authority)}.`);
}

function proceed(state: TrustState, { by }: Of<'Proceed'>, context: TrustContext): Decision<TrustEvent> {
  const { rotation } = state;
  const draft = new Draft(state, context);
  if (turnForward(draft, by)) return draft.accepted(`${by} lets the rotation go forward again.`);
  if (rotation?.phase.name !== 'prepared') return refused('NothingPrepared', 'No prepared root waits to be used.');
  if (Object.values(rotation.approvals).includes(by)) {
    return refused('SameEyes', `${by} has approved a gate of this rotation; somebody else must let its root be used.`);
  }
  leave(draft, { by });
  return draft.accepted(`${by} lets the prepared root be used: it is being distributed.`);
}

function approve(state: TrustState, { gate, by }: Of<'Approve'>, context: TrustContext): Decision<TrustEvent> {
  const { rotation, spec } = state;
  if (!rotation || rotation.aborted) return refused('NoRotation', 'There is no rotation to approve anything of.');
  if (!spec?.approvals.includes(gate)) return refused('NoApprovalAsked', `The spec asks for no approval of ${gate}.`);
  if (rotation.approvals[gate] !== undefined) return unchanged('ApprovedAlready', `${rotation.approvals[gate]} has approved ${gate}.`);
  if (by === rotation.startedBy || by === rotation.usedBy) {
    return refused('SameEyes', `${by} began this rotation; somebody else must approve ${gate}.`);
  }
  const draft = new Draft(state, context).record({ type: 'GateApproved', gate, by }).look();
  return draft.accepted(`${by} approves ${gate} of rotation ${rotation.id}.`);
}

function force(state: TrustState, { by, look, ...seen }: Of<'Force'>, context: TrustContext): Decision<TrustEvent> {
  const { rotation, spec } = state;
  if (!rotation || !isGated(rotation.phase) || goesBack(rotation.phase.name))
    return refused('NothingToForce', 'No gate is being waited for.');
  if (rotation.id !== seen.rotation || rotation.phase.name !== seen.phase) {
    const isNow = `It is ${rotation.phase.name} of ${rotation.id} by now, and not ${seen.phase} of ${seen.rotation}`;
    return refused('AnotherPhase', `${isNow}; look who is behind, and say so again.`);
  }
  const safe = rotation.cause === 'compromised' ? undefined : safeUntil(state, context.now);
  if (safe !== undefined) {
    return refused('WaitingIsSafe', `Waiting is safe until ${safe}; a gate is forced after that, or where the old root is compromised.`);
  }
  const gate = approvedGateOf(rotation.phase.name);
  if (gate && spec?.approvals.includes(gate) && rotation.approvals[gate] === undefined) {
    return refused('NotApproved', `The spec asks somebody other than ${rotation.startedBy} to approve ${gate}; also of a compromise.`);
  }
  const { behind, unseen } = judgePhase(state, look) ?? { behind: [], unseen: [] };
  const draft = new Draft(state, context);
  const named = { behind: behind.slice(0, 20), more: Math.max(0, behind.length - 20), unseen: [...unseen] };
  draft.record({ type: 'GateForced', phase: rotation.phase.name, by, ...named });
  leave(draft);
  const unknown = unseen.length === 0 ? '' : `, and nothing is known of ${unseen.join(', ')}`;
  return draft.accepted(`${by} lets the rotation go on though ${behind.length} are behind${unknown}: they break until they follow.`);
}

/** Until when the phase can be waited in; `undefined`: it is overdue. */
function safeUntil(state: TrustState, now: number): string | undefined {
  const by = mustLeaveBy(state);
  return by === undefined || isOverdue(state, now) ? undefined : new Date(by).toISOString();
}

function abort(state: TrustState, { by, reason }: Of<'Abort'>, context: TrustContext): Decision<TrustEvent> {
  const { rotation, current, spec } = state;
  if (!rotation || !current || !spec) return refused('NoRotation', 'There is no rotation to abort.');
  if (rotation.aborted) return unchanged('GoesBackAlready', `It goes back already (${rotation.phase.name}).`);
  const { name } = rotation.phase;
  const isHarmless = name === 'preparing' || name === 'prepared' || name === 'distributing';
  if (!isHarmless && rotation.cause === 'expired')
    return refused('OldRootExpired', 'The old root has ended; there is nothing to go back to.');
  if (!isHarmless && !canGoBack(current, livesAt(state, context.now), context.now)) {
    const ends = new Date(current.notAfter).toISOString();
    const safe = safeUntil(state, context.now);
    const instead = safe === undefined ? 'see to those that are behind, or force it on without them' : `waiting is safe until ${safe}`;
    return refused('TooLateToGoBack', `The old root ends at ${ends}, before everybody could be back under it; ${instead}.`);
  }
  const draft = new Draft(state, context);
  draft.record({ type: 'AbortBegun', by, from: name, ...(reason === undefined ? {} : { reason }) });
  goBack(draft);
  draft.card('rotation-aborted', reason);
  if (name === 'preparing') return draft.accepted('It is aborted; what the vault is making is disabled as soon as it is there.');
  return draft.accepted(`It goes back from ${name}: ${WAY[draft.state.rotation?.phase.name ?? 'discarding']}.`);
}

const WAY: Readonly<Record<string, string>> = {
  restoring: 'both roots are trusted again, then the old one signs, then the new one is dropped',
  returning: 'the old root signs again, both stay trusted until nobody presents a leaf under the new one',
  dropping: 'the new root is dropped; no leaf under it was ever issued',
  discarding: 'nobody was given the new root; its key is disabled',
};

function keyDisabled(state: TrustState, { root }: Of<'KeyDisabled'>, context: TrustContext): Decision<TrustEvent> {
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

function elapsed(state: TrustState, context: TrustContext): Decision<TrustEvent> {
  const { spec, current } = state;
  const { now } = context;
  if (!spec || !current) return unchanged('NothingDue', 'Nothing is due.');
  const draft = new Draft(state, context);
  let said = 'What was due is under way.';
  const turn = turnAt(state);
  if (turn !== undefined && now >= turn) turned(draft);
  if (!draft.state.rotation && now >= rotateBy(current, spec)) {
    const over = hasEnded(current, livesAt(state, now), now);
    said = begin(draft, current, { type: 'Rotate', cause: 'due', by: OWN }, over);
  }
  for (const root of rootsOf(state)) {
    const at = renewIssuerAt(root);
    if (state.renewing.includes(root.fingerprint) || at === undefined || now < at) continue;
    draft.record({ type: 'IssuerDue', root: root.fingerprint }).effect({ kind: 'issuer', target: root.fingerprint });
  }
  for (const { due, renewAt, root, dataPlane } of delegationsOf(state)) {
    if (due || renewAt === undefined || now < renewAt) continue;
    draft.record({ type: 'DelegationDue', root, dataPlane }).effect({ kind: 'trust', target: dataPlane });
  }
  const { rotation: after } = draft.state;
  const by = mustLeaveBy(draft.state);
  if (after && by !== undefined && now >= by && after.overdue !== after.phase.name) {
    const because = after.heldBy ?? 'What it waits for was not seen.';
    draft.record({ type: 'PhaseOverdue', phase: after.phase.name, because }).card('rotation-overdue', because);
  }
  return draft.accepted(said);
}

/** Its time to wait is over (`turnAt`). */
function turned(draft: Draft): void {
  const { rotation, current } = draft.state;
  if (!rotation || !current) return;
  const ends = `The old root ends at ${new Date(current.notAfter).toISOString()}`;
  if (rotation.phase.name === 'preparing') {
    endAdopting(draft, `${ends} and is replaced by one that is made for it; the vault's own version is not verified by now.`);
    return;
  }
  if (rotation.phase.name === 'prepared') {
    const reason = `${ends} and is replaced by one that is made for it; nobody let the prepared one be used.`;
    draft.record({ type: 'AbortBegun', by: OWN, from: 'prepared', reason });
    goBack(draft);
    draft.card('rotation-aborted', reason);
    return;
  }
  turnForward(draft, OWN, `${ends}: there is no way back to it.`);
  if (draft.state.rotation?.phase.name !== 'distributing' || !hasEnded(current, livesAt(draft.state, draft.context.now), draft.context.now))
    return;
  // Nobody is believed any more: waiting for one of them keeps all the others from talking.
  draft.record({ type: 'RotationHastened', cause: 'expired', by: OWN });
  leave(draft);
}

/** What this project does by itself. */
const OWN = 'meshwright';
