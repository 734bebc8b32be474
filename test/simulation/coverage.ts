/** What many histories have gone through, summed up, so that nobody has to believe that they were worth running. */
import { FAULT_KINDS, type FaultKind } from './faults.ts';
import type { History } from './history.ts';

export interface Coverage {
  readonly histories: number;
  /** With a rollout of at least two steps and at least one fault. */
  readonly substantial: number;
  readonly steps: number;
  readonly commits: number;
  readonly started: number;
  readonly succeeded: number;
  readonly returned: number;
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
}

export const NOTHING: Coverage = { histories: 0, substantial: 0, steps: 0, commits: 0, started: 0, succeeded: 0, returned: 0, faults: {} };

export function coverageOf({ rollouts, steps, commits, mostRolloutSteps, faults }: History): Coverage {
  const substantial = mostRolloutSteps >= 2 && faults.size > 0 ? 1 : 0;
  return { histories: 1, substantial, steps, commits, ...rollouts, faults: Object.fromEntries(faults) };
}

export function sum(a: Coverage, b: Coverage): Coverage {
  const faults: Partial<Record<FaultKind, number>> = { ...a.faults };
  for (const kind of FAULT_KINDS) if (b.faults[kind]) faults[kind] = (faults[kind] ?? 0) + b.faults[kind];
  return {
    histories: a.histories + b.histories,
    substantial: a.substantial + b.substantial,
    steps: a.steps + b.steps,
    commits: a.commits + b.commits,
    started: a.started + b.started,
    succeeded: a.succeeded + b.succeeded,
    returned: a.returned + b.returned,
    faults,
  };
}

export function coverageLine(coverage: Coverage, seconds: number): string {
  const { histories, substantial, steps, commits, started, succeeded, returned, faults } = coverage;
  const kinds = FAULT_KINDS.map((kind) => `${kind} ${faults[kind] ?? 0}`).join(', ');
  const share = histories === 0 ? 0 : Math.round((100 * substantial) / histories);
  return (
    `${histories} histories in ${seconds.toFixed(1)} s, ${substantial} (${share} %) with at least two steps and a fault; ` +
    `rollouts: ${started} started, ${succeeded} succeeded, ${returned} taken back; ${commits} commits, ${steps} steps; faults: ${kinds}`
  );
}
