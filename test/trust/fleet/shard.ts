/** Many histories of one mood in a thread of their own: `workerData` says which, the one message back is the first in which something did not hold. */
import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { runHistory } from './history.ts';
import { MOODS } from './temper.ts';

const { from, seeds, mood } = z.object({ from: z.number().int(), seeds: z.number().int(), mood: z.enum(MOODS) }).parse(workerData);
let violated: { seed: number; violation: string } | undefined;
for (let seed = from; seed < from + seeds && !violated; seed += 1) {
  const { violation } = runHistory(seed, mood);
  if (violation !== undefined) violated = { seed, violation };
}
parentPort?.postMessage({ violated });
