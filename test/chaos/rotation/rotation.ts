/**
 * Rotations of a root under load: one is aborted in every phase there is, the next one is finished, and on the way the functions, the xds
 * server and an agent are killed. No gate is skipped and no time is shortened; at the end nobody believes the old root.
 */
import { type Installation, installation } from '../../e2e/installation.ts';
import { until } from '../../e2e/until.ts';
import { abortedIn } from './aborting.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { startLoad } from './load.ts';
import { isBelieved } from './old-root.ts';
import { type Trust, trustOf } from './trust.ts';

const PER_SECOND = 40;
/** What is counted in the end; the rotations take longer than that many requests. */
const LEAST_REQUESTS = 10_000;
const PHASES = ['preparing', 'distributing', 'issuing', 'soaking', 'pruned', 'retired'] as const;

export interface RotationChaos {
  readonly envoys: number;
  readonly requests: number;
  readonly lost: number;
  /** The first of them. */
  readonly losses: readonly string[];
  readonly oldRootRefused: boolean;
  /** The same leaf under the root in force: that it is refused would say nothing otherwise. */
  readonly newRootBelieved: boolean;
  /** Of the rotation that was finished, in their order. */
  readonly phases: readonly string[];
  /** The phase that a rotation was aborted in, and how that ended. */
  readonly aborted: Readonly<Record<string, string>>;
  readonly killed: readonly string[];
  readonly held: boolean;
}

export async function rotationChaos(envoy: string, say: (sentence: string) => void): Promise<RotationChaos> {
  const mesh = await installation();
  try {
    await mesh.start('functions');
    await mesh.start('xds');
    const fleet = await startFleet(mesh, envoy);
    say(`${fleet.workloads.length} Envoys answer each other`);
    const load = startLoad(fleet.workloads, PER_SECOND);
    const trust = trustOf(mesh);
    const aborted: Record<string, string> = {};
    for (const phase of PHASES) {
      aborted[phase] = await abortedIn(phase, mesh, trust);
      say(`aborted in ${phase}: ${aborted[phase]}; ${load.requests} requests, ${load.lost.length} lost`);
    }
    const phases = await finished(mesh, trust, fleet, say);
    await until('there were requests enough', () => load.requests >= LEAST_REQUESTS, 600_000);
    await load.stop();
    say(`${load.requests} requests, ${load.lost.length} lost`);
    const [callee] = fleet.workloads;
    const [old, ...later] = await trust.authorities();
    const current = later.at(-1);
    if (!callee || !old || !current) throw new Error('No rotation has taken place.');
    const oldRootRefused = !(await isBelieved(mesh, old, callee));
    const newRootBelieved = await isBelieved(mesh, current, callee);
    await fleet.stop();
    const wentBack = Object.values(aborted).every((outcome) => outcome === 'aborted');
    const lost = load.lost.length;
    return {
      envoys: fleet.workloads.length,
      requests: load.requests,
      lost,
      losses: load.lost.slice(0, 10),
      oldRootRefused,
      newRootBelieved,
      phases,
      aborted,
      killed: ['functions', 'xds', 'agent'],
      held: lost === 0 && oldRootRefused && newRootBelieved && wentBack && phases.at(-1) === 'rotated',
    };
  } finally {
    await mesh.stop();
  }
}

async function finished(
  mesh: Installation,
  trust: Trust,
  { workloads }: Fleet,
  say: (sentence: string) => void,
): Promise<readonly string[]> {
  const id = await trust.begin();
  const phases = [await trust.inPhase('distributing')];
  await mesh.kill('functions');
  await mesh.start('functions');
  say('the functions were killed in distributing, and are back');
  phases.push(await trust.inPhase('issuing'));
  await mesh.kill('xds');
  await mesh.start('xds');
  say('the xds server was killed in issuing, and is back');
  phases.push(await trust.inPhase('soaking'));
  const [first] = workloads;
  await first?.agent.kill();
  await first?.agent.start();
  say('an agent was killed in soaking, and is back');
  phases.push(await trust.inPhase('pruned'));
  phases.push(await trust.ended(id));
  return phases;
}
