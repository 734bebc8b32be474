/** Many histories in a thread of their own: `workerData` says which, the one message back is the first in which something did not hold. */
import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { runHistory } from './history.ts';

const { from, seeds } = z.object({ from: z.number().int(), seeds: z.number().int() }).parse(workerData);
let violated: { seed: number; violation: string } | undefined;
for (let seed = from; seed < from + seeds && !violated; seed += 1) {
  const { violation } = runHistory(seed);
  if (violation !== undefined) violated = { seed, violation };
}
parentPort?.postMessage({ violated });
