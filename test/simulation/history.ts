/**
 * One history from one seed: a world with faults, an app, data planes and a workload; then the faults stop, and all must
 * come to rest and be as it was decided. The same seed is the same history, step for step.
 */
import { createHash } from 'node:crypto';
import { checkEnd, type Ended, unfinished } from './end-state.ts';
import { DataPlane } from './envoys.ts';
import type { FaultKind } from './faults.ts';
import { Instances } from './instances.ts';
import { Invariants } from './invariants.ts';
import { Post } from './post.ts';
import { Workload } from './workload.ts';
import { World } from './world.ts';

/** Longer than the longest row of deadlines a history can have left. */
const REST_WITHIN_MS = 3 * 3_600_000;

export interface History {
  readonly seed: number;
  /** Undefined: every invariant held. */
  readonly violation: string | undefined;
  readonly steps: number;
  readonly commits: number;
  readonly rollouts: { readonly started: number; readonly succeeded: number; readonly returned: number };
  /** The most steps one rollout has begun. */
  readonly mostRolloutSteps: number;
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly trace: readonly string[];
  /** Of the trace; '' where there is none. */
  readonly fingerprint: string;
}

export async function runHistory(seed: number, traced = false): Promise<History> {
  const world = new World(seed, traced);
  const invariants = new Invariants(world);
  const { random, faults } = world;
  const family = random.chance(0.2) ? 'pushes' : 'anything';
  const planes: DataPlane[] = [];
  const instances = new Instances(world, invariants, (name) => planes.find((each) => each.name === name)?.poke());
  for (const name of random.chance(0.6) ? ['edge'] : ['edge', 'west']) {
    planes.push(new DataPlane(world, 'shop', name, invariants, instances));
  }
  invariants.nodes = new Map(planes.map(({ name, nodes }) => [name, nodes]));
  invariants.onModelMoved = () => {
    for (const plane of planes) plane.modelMoved();
  };
  const post = new Post(world, instances, invariants.streams.adoptedSince);
  const workload = new Workload(world, family, post, invariants, planes);
  const ended: Ended = { world, invariants, post, dataPlanes: planes, workload };
  world.tell(() => `seed ${seed}, ${family}, severity ${faults.severity.toFixed(2)}, data planes ${planes.map(({ name }) => name).join()}`);

  await world.runUntil(workload.begin());
  world.tell(() => 'FAULTS STOP');
  faults.stop();
  workload.heal();
  const left = () => unfinished(ended, instances.busy);
  const atRest = await world.runUntil(world.now + REST_WITHIN_MS, () => left().length === 0);
  if (!atRest) world.violate('everything comes to rest', left().join('; '));
  if (!world.violation) await checkEnd(ended);

  const { commits, started, succeeded, returned, mostSteps } = invariants.streams.counts;
  const trace = world.trace ?? [];
  return {
    seed,
    violation: world.violation,
    steps: world.steps,
    commits,
    rollouts: { started, succeeded, returned },
    mostRolloutSteps: mostSteps,
    faults: faults.counts,
    trace,
    fingerprint: traced ? createHash('sha256').update(trace.join('\n')).digest('hex') : '',
  };
}
