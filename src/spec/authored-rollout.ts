/**
 * How a service's `rollout` is written: `canary`, or the steps of one in as few words as they need. Defaults leave an Azure
 * Monitor alert (evaluated each minute, over five as a rule) the time to speak before a step is passed.
 */
import { z } from 'zod';
import { duration } from './authored-fields.ts';
import { formatDuration } from './duration.ts';
import type { RolloutSpec, RolloutStep } from './schema.ts';

const MINUTE = 60_000;
const DEFAULT_WEIGHTS = [5, 25, 50, 100];
const DEFAULT_HOLD_MS = 5 * MINUTE;
/** Time for convergence on top of the hold, before a step goes back. */
const DEFAULT_GRACE_MS = 10 * MINUTE;
const DEFAULT_PAUSE_DEADLINE_MS = 24 * 60 * MINUTE;
const DEFAULT_START_DEADLINE_MS = 30 * MINUTE;
const DEFAULT_RETURN_DEADLINE_MS = 5 * MINUTE;

const weight = z.int().min(1).max(100);

const step = z
  .union(
    [
      weight,
      z.strictObject({
        weight: weight.describe('Percent of requests that reach the new version'),
        hold: duration(0).optional().describe('How long it is watched once every data plane serves it (5m)'),
        deadline: duration(1000).optional().describe('How long the step may take in all before the way back (hold + 10m)'),
      }),
    ],
    { error: 'give a weight, such as `10` or `{ weight: 10, hold: 5m }`' },
  )
  .transform((written) => (typeof written === 'number' ? plainStep(written) : plainStep(written.weight, written.hold, written.deadline)))
  .superRefine(({ holdMs, deadlineMs }, context) => {
    if (deadlineMs <= holdMs) {
      const message = `the deadline covers convergence and the hold, so it must be longer than the hold (${formatDuration(holdMs)})`;
      context.addIssue({ code: 'custom', path: ['deadline'], message });
    }
  });

const steps = z
  .array(step)
  .min(1)
  .max(50)
  .superRefine((written, context) => {
    written.forEach(({ weight: current }, index) => {
      const before = written[index - 1]?.weight ?? 0;
      if (current <= before) {
        context.addIssue({
          code: 'custom',
          path: [index],
          message: `weights must rise from step to step, and ${current} comes after ${before}`,
        });
      }
    });
  })
  .transform((written) => (written.at(-1)?.weight === 100 ? written : [...written, plainStep(100)]));

const canary = z.strictObject({
  strategy: z.literal('canary').optional(),
  steps: steps.optional().describe('Rising weights; 100 is added if it is missing'),
  pauseDeadline: duration(1000).optional().describe('How long a pause may last before the way back (24h)'),
  startDeadline: duration(1000).optional().describe('How long a start may wait for what it needs before it is given up (30m)'),
  returnDeadline: duration(1000).optional().describe('How long the way back may take before people are called (5m)'),
});

export const authoredRolloutSchema = z
  .union([z.literal('canary'), canary], { error: 'say `canary`, or give its `steps` and deadlines' })
  .transform((written) => canaryRollout(written === 'canary' ? {} : written));

export function canaryRollout(written: Omit<z.output<typeof canary>, 'strategy'>): RolloutSpec {
  return {
    strategy: 'canary',
    steps: written.steps ?? DEFAULT_WEIGHTS.map((each) => plainStep(each)),
    pauseDeadlineMs: written.pauseDeadline ?? DEFAULT_PAUSE_DEADLINE_MS,
    startDeadlineMs: written.startDeadline ?? DEFAULT_START_DEADLINE_MS,
    returnDeadlineMs: written.returnDeadline ?? DEFAULT_RETURN_DEADLINE_MS,
  };
}

function plainStep(percent: number, holdMs = DEFAULT_HOLD_MS, deadlineMs = holdMs + DEFAULT_GRACE_MS): RolloutStep {
  return { weight: percent, holdMs, deadlineMs };
}
