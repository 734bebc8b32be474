/**
 * `npm run simulate`: `--seed N` replays one history and prints all of it; `--from N --seeds M` runs many and says what they
 * covered. Exit code 1 and the seed when an invariant did not hold.
 */
import { parseArgs } from 'node:util';
import { coverageLine, coverageOf, NOTHING, sum } from './coverage.ts';
import { runHistory } from './history.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string' }, from: { type: 'string', default: '1' }, seeds: { type: 'string', default: '200' } },
});

function whole(name: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`--${name} must be a whole number, and "${text}" is none.`);
  process.exit(2);
}

async function replay(seed: number): Promise<void> {
  const history = await runHistory(seed, true);
  console.log(history.trace.join('\n'));
  console.log(`fingerprint ${history.fingerprint}`);
  if (history.violation === undefined) return;
  console.error(`Seed ${seed} violates an invariant: ${history.violation}`);
  process.exitCode = 1;
}

async function runMany(from: number, count: number): Promise<void> {
  const begun = performance.now();
  let coverage = NOTHING;
  for (let seed = from; seed < from + count; seed += 1) {
    const history = await runHistory(seed);
    coverage = sum(coverage, coverageOf(history));
    if (history.violation === undefined) continue;
    console.error(`Seed ${seed} violates an invariant: ${history.violation}\nReplay it: npm run simulate -- --seed ${seed}`);
    process.exitCode = 1;
    break;
  }
  console.log(coverageLine(coverage, (performance.now() - begun) / 1000));
}

if (values.seed === undefined) await runMany(whole('from', values.from), whole('seeds', values.seeds));
else await replay(whole('seed', values.seed));
