/** Giving commands to a mesh's trust, and doing what is due in its stream; how often and by whom it is woken is for `tending.ts`. */
import { type Appended, append, claimDue, loadHead } from '../journal/journal.ts';
import type { Answer, Delivery, PendingEffect } from '../journal/stream.ts';
import { DEFAULT_TRUST_DOMAIN, meshStream, meshStreamId } from '../spec/adoption.ts';
import type { TrustCommand } from '../trust/commands.ts';
import { decide } from '../trust/decide.ts';
import { isGated } from '../trust/evolve.ts';
import type { TrustState } from '../trust/state.ts';
import { nextWake } from '../trust/timing.ts';
import { trustStream, trustStreamId } from '../trust/trust-stream.ts';
import { lookAndTell, runTrustEffects, type TrustPorts } from './trust-effects.ts';

export interface TrustTendingPorts extends Omit<TrustPorts, 'promptTrust'> {
  /** Why no change of the mesh may begin now; `undefined`: nothing speaks against it. */
  readonly lockedBy: (mesh: string) => Promise<string | undefined>;
  /** What follows a commit: the effects it claimed, the next alarm. */
  readonly afterCommit: (
    stream: string,
    appended: Appended<TrustState>,
    run: (claimed: readonly PendingEffect[]) => Promise<void>,
  ) => Promise<void>;
  /** Tries again what failed on its way. */
  readonly patiently: <Result>(attempt: () => Promise<Result>) => Promise<Result>;
}

export interface TrustTending {
  give(mesh: string, delivery: Delivery, command: TrustCommand): Promise<Answer>;
  /** What the adopted spec says of certificates is in force from now on. */
  govern(mesh: string): Promise<void>;
  /** Does what is due; whether there was an effect to take up. */
  tend(mesh: string): Promise<boolean>;
  /**
   * Whether this version of a root is one that the vault has made by itself: those that are made here, and what lies between, are told of by
   * events too. Throws where the vault cannot be asked.
   */
  isOfTheVault(mesh: string, certificateId: string): Promise<boolean>;
  /** Something was seen of whom a workload trusts, or what it presents. */
  observed(mesh: string): Promise<void>;
}

/** All were seen once to be where they must be. */
const waitsToGoOn = ({ rotation }: TrustState): boolean =>
  rotation !== undefined && isGated(rotation.phase) && rotation.phase.passedAt !== undefined;

const OWN = { actor: 'meshwright', recordRefusal: false } as const;

export function trustTending(ports: TrustTendingPorts): TrustTending {
  const { documents, now } = ports;
  const effects: TrustPorts = {
    ...ports,
    promptTrust: (mesh, id, command) => give(mesh, { id, ...OWN }, command),
  };

  async function give(mesh: string, delivery: Delivery, command: TrustCommand): Promise<Answer> {
    const stream = trustStreamId(mesh);
    const appended = await ports.patiently(() =>
      append(documents, trustStream, stream, delivery, now, async (state, version, at) => {
        // Every service is asked, which is worth it only where the answer counts.
        const locked = waitsToGoOn(state) ? await ports.lockedBy(mesh) : undefined;
        return decide(state, command, { now: at, version: version + 1, ...(locked === undefined ? {} : { locked }) });
      }),
    );
    await ports.afterCommit(stream, appended, (claimed) => runTrustEffects(effects, mesh, claimed));
    return appended.answer;
  }

  async function govern(mesh: string): Promise<void> {
    const { spec, specVersion } = (await loadHead(documents, meshStream, meshStreamId(mesh))).head.state;
    const certificates = spec?.certificates;
    const command: TrustCommand = certificates
      ? {
          type: 'Specify',
          spec: certificates,
          trustDomain: spec.trustDomain ?? DEFAULT_TRUST_DOMAIN,
          dataPlanes: spec.dataPlanes.map(({ name }) => name),
          specVersion,
        }
      : { type: 'Release', specVersion };
    const answer = await give(mesh, { id: `govern/${mesh}/${specVersion}`, ...OWN }, command);
    // It is owed until it is in force: what stands against it now may be over later.
    if (answer.outcome === 'refused') throw new Error(answer.message);
  }

  async function tend(mesh: string): Promise<boolean> {
    const stream = trustStreamId(mesh);
    const { head } = await loadHead(documents, trustStream, stream);
    const due = nextWake(head.state);
    if (due !== undefined && due <= now())
      await give(mesh, { id: `elapsed/${stream}/${head.version}/${due}`, ...OWN }, { type: 'Elapsed' });
    const claimed = await claimDue(documents, trustStream, stream, now());
    if (claimed.length > 0) await runTrustEffects(effects, mesh, claimed);
    return claimed.length > 0;
  }

  async function isOfTheVault(mesh: string, certificateId: string): Promise<boolean> {
    const { spec } = (await loadHead(documents, trustStream, trustStreamId(mesh))).head.state;
    if (!spec) return false;
    const versions = await (await ports.vault(spec)).versions(spec.name);
    return versions.some((version) => version.certificateId === certificateId && version.wish === undefined);
  }

  return { give, govern, tend, isOfTheVault, observed: (mesh) => lookAndTell(effects, mesh) };
}
