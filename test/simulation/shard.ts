/**
 * Many histories in a thread of their own: `workerData` says which (`from`, `seeds`), the one message back says what they
 * covered and the first one in which an invariant did not hold; the shard ends there.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { coverageOf, NOTHING, sum } from './coverage.ts';
import { runHistory } from './history.ts';

const orderSchema = z.object({ from: z.number().int(), seeds: z.number().int() });

async function runShard(): Promise<void> {
  const { from, seeds } = orderSchema.parse(workerData);
  let coverage = NOTHING;
  let violated: { seed: number; violation: string } | undefined;
  for (let seed = from; seed < from + seeds && !violated; seed += 1) {
    const history = await runHistory(seed);
    coverage = sum(coverage, coverageOf(history));
    if (history.violation !== undefined) violated = { seed, violation: history.violation };
  }
  parentPort?.postMessage({ coverage, violated });
}

void runShard();
