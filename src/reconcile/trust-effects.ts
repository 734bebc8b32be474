/**
 * Doing what a mesh's trust owes: authorities and issuers that the vault makes, material that data planes are brought, looks at the
 * fleet, keys that are disabled. Every run may be the second one and may end at any await; what it leaves is taken up again.
 */
import type { Documents } from '../journal/documents.ts';
import { loadHead, type Settlement, settle } from '../journal/journal.ts';
import { type Answer, type Head, type PendingEffect, pendingKey } from '../journal/stream.ts';
import type { CertificatesSpec } from '../spec/certificates-schema.ts';
import { adoptVersion, makeAuthority, makeIssuer } from '../trust/authorities.ts';
import { type Authority, signsUnder } from '../trust/certificates.ts';
import type { TrustCommand } from '../trust/commands.ts';
import type { DataPlaneTrust, TrustMaterial } from '../trust/data-plane-trust.ts';
import { isGated } from '../trust/evolve.ts';
import type { FleetLook } from '../trust/gates.ts';
import { lookEveryMs, renewWithinMs } from '../trust/pace.ts';
import { settingsOf, type TrustState } from '../trust/state.ts';
import { livesOf, rootsOf } from '../trust/timing.ts';
import { trustStream, trustStreamId } from '../trust/trust-stream.ts';
import { type Vault, VaultForbidden, VaultRefused } from '../trust/vault.ts';
import { newSigner } from './delegating.ts';
import { allEnded, retry, runAll, type SettlingPorts, tell } from './settling.ts';

export interface TrustPorts extends SettlingPorts {
  readonly documents: Documents;
  /** Where the authorities of such a spec are kept. */
  readonly vault: (spec: CertificatesSpec) => Promise<Vault>;
  /** `undefined`: no such data plane in the adopted spec, or none whose trust this build can change. */
  readonly dataPlaneTrust: (mesh: string, name: string) => Promise<DataPlaneTrust | undefined>;
  /** Gives a command of the app's own to a mesh's trust. */
  readonly promptTrust: (mesh: string, promptId: string, command: TrustCommand) => Promise<Answer>;
}

export async function runTrustEffects(ports: TrustPorts, mesh: string, claimed: readonly PendingEffect[]): Promise<void> {
  await allEnded(
    claimed.map(async (effect) => {
      const settlements = await runAll(ports, [effect], (each) => run(ports, mesh, each));
      await settle(ports.documents, trustStream, trustStreamId(mesh), settlements);
    }),
  );
}

function run(ports: TrustPorts, mesh: string, effect: PendingEffect): Promise<Settlement> {
  switch (effect.kind) {
    case 'make':
      return make(ports, mesh, effect);
    case 'issuer':
      return renewIssuer(ports, mesh, effect);
    case 'trust':
      return bring(ports, mesh, effect);
    case 'look':
      return look(ports, mesh, effect);
    case 'key':
      return setKey(ports, mesh, effect);
    case 'ended-key':
      return disableEnded(ports, mesh, effect);
    default:
      return tell(ports, mesh, undefined, effect);
  }
}

const trustOf = async (ports: Pick<TrustPorts, 'documents'>, mesh: string) =>
  (await loadHead(ports.documents, trustStream, trustStreamId(mesh))).head;

/** The vault knows what it was asked for by the wish: asked again, it makes nothing twice. */
async function make(ports: TrustPorts, mesh: string, effect: PendingEffect): Promise<Settlement> {
  const { state } = await trustOf(ports, mesh);
  const { spec, trustDomain, rotation, establishing } = state;
  const wish = effect.target;
  const isWanted = wish === 'first' ? establishing : rotation?.id === wish && rotation.phase.name === 'preparing';
  if (!spec || trustDomain === undefined || !isWanted) return { effect, outcome: 'done' };
  const vault = await ports.vault(spec);
  const asked = { spec, trustDomain, wish: `${mesh}/${wish}`, now: ports.now() };
  if (rotation?.aborted && (await isGivenUp(vault, spec.name, asked.wish))) {
    await ports.promptTrust(mesh, `unmade/${mesh}/${wish}`, { type: 'NothingMade', wish });
    return { effect, outcome: 'done' };
  }
  const adopts = wish === 'first' ? undefined : rotation?.adopts;
  const authority = adopts === undefined ? await makeAuthority(vault, asked) : await adopted(vault, { ...asked, certificateId: adopts });
  if (authority instanceof VaultRefused) {
    await ports.promptTrust(mesh, `unusable/${mesh}/${wish}`, { type: 'NothingMade', wish, because: authority.message });
    return { effect, outcome: 'done' };
  }
  const answer = await ports.promptTrust(mesh, `made/${mesh}/${wish}`, { type: 'AuthorityMade', wish, authority });
  if (answer.outcome === 'unchanged' && answer.reason === 'NotAskedFor') await putAway(ports, mesh, vault, authority);
  return { effect, outcome: 'done' };
}

/** What was made and nobody waits for any more signs nothing; unless it is in use after all. */
async function putAway(ports: TrustPorts, mesh: string, vault: Vault, { certificateId, issuer }: Authority): Promise<void> {
  const { state } = await trustOf(ports, mesh);
  if (rootsOf(state).some((root) => root.certificateId === certificateId)) return;
  for (const id of [certificateId, issuer.keyId]) await vault.setEnabled(id, false);
}

/**
 * What cannot be used is an answer too: a version that stays what it is would keep every later rotation waiting. That this app may not look at
 * it says nothing of it: it is asked again until that is granted, or until the root that is due takes its place.
 */
async function adopted(vault: Vault, asked: Parameters<typeof adoptVersion>[1]): Promise<Authority | VaultRefused> {
  try {
    return await adoptVersion(vault, asked);
  } catch (error) {
    if (error instanceof VaultRefused && !(error instanceof VaultForbidden)) return error;
    throw error;
  }
}

/** False: it was completed already, and is disabled once it is known. */
async function isGivenUp(vault: Vault, name: string, wish: string): Promise<boolean> {
  await vault.abandon({ name, wish });
  return (await vault.versions(name)).every((version) => version.wish !== wish);
}

async function renewIssuer(ports: TrustPorts, mesh: string, effect: PendingEffect): Promise<Settlement> {
  const { state } = await trustOf(ports, mesh);
  const { spec, trustDomain, renewing } = state;
  const authority = rootsOf(state).find(({ fingerprint }) => fingerprint === effect.target);
  if (!spec || trustDomain === undefined || !authority || !renewing.includes(effect.target)) return { effect, outcome: 'done' };
  const wish = `${mesh}/issuer-after-${authority.issuer.fingerprint.slice(0, 16)}`;
  const issuer = await makeIssuer(await ports.vault(spec), authority, { spec, trustDomain, wish, now: ports.now() });
  await ports.promptTrust(mesh, `issuer/${mesh}/${authority.issuer.fingerprint}`, { type: 'IssuerMade', root: effect.target, issuer });
  return { effect, outcome: 'done' };
}

/** What a data plane is to have now, and not what it was to have when the effect was called for. */
export function materialOf(mesh: string, state: TrustState, members: number): TrustMaterial | undefined {
  const { spec, trustDomain, settingsVersion } = state;
  const settings = settingsOf(state);
  if (!settings || !spec || trustDomain === undefined) return undefined;
  const { fingerprint, certificate } = settings.signer.issuer;
  return {
    mesh,
    trustDomain,
    revision: settingsVersion,
    roots: settings.roots.map((root) => root.certificate),
    signer: { fingerprint, certificate },
    renewWithinMs: renewWithinMs(members, spec),
    lives: livesOf(spec),
  };
}

async function bring(ports: TrustPorts, mesh: string, effect: PendingEffect): Promise<Settlement> {
  const plane = await ports.dataPlaneTrust(mesh, effect.target);
  const before = await trustOf(ports, mesh);
  if (!before.state.dataPlanes.includes(effect.target)) return { effect, outcome: 'done' };
  if (!plane) return retry(ports, effect, `This build cannot change whom the workloads of ${effect.target} trust.`);
  // Whoever signs by itself asks nothing of the vault for its workloads: they need not be counted for its sake.
  const members = plane.signing ? 0 : (await plane.look(mesh, ports.now())).length;
  const { state } = await trustOf(ports, mesh);
  const material = materialOf(mesh, state, members);
  if (!material) return { effect, outcome: 'done' };
  const isKnown = async (of: string, issuer: string): Promise<boolean> =>
    rootsOf((await trustOf(ports, of)).state).some((root) => signsUnder(root, issuer));
  const delegate = plane.signing && (await newSigner({ ...ports, isKnown }, { mesh, dataPlane: effect.target }, plane.signing, state));
  const brought = await plane.bring(material, delegate);
  return brought.kind === 'refused' ? retry(ports, effect, brought.message) : { effect, outcome: 'done' };
}

/**
 * Every data plane, at one time. One that cannot be asked, or was not brought what the state says, is said to be unseen: what its
 * workloads are seen to have tells nothing then.
 */
export async function lookAtFleet(
  ports: Pick<TrustPorts, 'dataPlaneTrust' | 'now'>,
  mesh: string,
  { state, pending }: Pick<Head<TrustState>, 'state' | 'pending'>,
): Promise<FleetLook> {
  const at = ports.now();
  const looks = await Promise.all(
    state.dataPlanes.map(async (dataPlane) => {
      const owed = pending[pendingKey('trust', dataPlane)];
      try {
        const plane = await ports.dataPlaneTrust(mesh, dataPlane);
        if (!plane) return { dataPlane, members: [], because: 'this build cannot look at it.' };
        const members = await plane.look(mesh, at);
        return owed ? { dataPlane, members, because: owed.error ?? 'it is still being brought what was decided.' } : { dataPlane, members };
      } catch (error) {
        return { dataPlane, members: [], because: error instanceof Error ? error.message : String(error) };
      }
    }),
  );
  return {
    at,
    dataPlanes: state.dataPlanes,
    members: looks.flatMap(({ members }) => members),
    unseen: looks.flatMap(({ dataPlane, because }) => (because === undefined ? [] : [{ dataPlane, because }])),
  };
}

/** For as long as a phase has a gate. */
async function look(ports: TrustPorts, mesh: string, effect: PendingEffect): Promise<Settlement> {
  await lookAndTell(ports, mesh);
  const { state } = await trustOf(ports, mesh);
  if (!state.rotation || !isGated(state.rotation.phase) || !state.spec) return { effect, outcome: 'done' };
  return { effect, outcome: 'retry', at: ports.now() + lookEveryMs(state.spec.leafLifeMs) };
}

/** Something was seen, or may be by now: the stream hears of it where a phase waits. */
export async function lookAndTell(ports: TrustPorts, mesh: string): Promise<void> {
  const head = await trustOf(ports, mesh);
  const { rotation } = head.state;
  if (!rotation || !isGated(rotation.phase)) return;
  const seen = await lookAtFleet(ports, mesh, head);
  await ports.promptTrust(mesh, `looked/${mesh}/${head.version}/${seen.at}`, { type: 'Looked', look: seen });
}

/** Enabled or disabled, as the state says; it may have gone back meanwhile, so that it is asked again once that is done. */
async function setKey(ports: TrustPorts, mesh: string, effect: PendingEffect): Promise<Settlement> {
  for (;;) {
    const { state } = await trustOf(ports, mesh);
    const authority = rootsOf(state).find(({ fingerprint }) => fingerprint === effect.target);
    if (!authority || !state.spec) return { effect, outcome: 'done' };
    const vault = await ports.vault(state.spec);
    const enabled = !isPutAway(state, effect.target);
    // Nobody signs with a former issuer's again.
    const former = enabled ? [] : authority.formerIssuers.flatMap(({ keyId }) => keyId ?? []);
    for (const id of [authority.certificateId, authority.issuer.keyId, ...former]) await vault.setEnabled(id, enabled);
    if (isPutAway((await trustOf(ports, mesh)).state, effect.target) === enabled) continue;
    if (enabled) return { effect, outcome: 'done' };
    const id = `disabled/${mesh}/${state.rotation?.id}/${effect.target}`;
    await ports.promptTrust(mesh, id, { type: 'KeyDisabled', root: effect.target });
    return { effect, outcome: 'done' };
  }
}

/** The key of an issuer whose leafs have ended. */
async function disableEnded(ports: TrustPorts, mesh: string, effect: PendingEffect): Promise<Settlement> {
  const { spec } = (await trustOf(ports, mesh)).state;
  if (spec) await (await ports.vault(spec)).setEnabled(effect.target, false);
  return { effect, outcome: 'done' };
}

/** Nobody is to have a certificate under this root again. */
function isPutAway({ rotation, current }: TrustState, root: string): boolean {
  if (rotation?.phase.name === 'retired') return current?.fingerprint === root;
  return rotation?.phase.name === 'discarding' && rotation.to?.fingerprint === root;
}
