/**
 * `npm run simulate`: `--seed N` replays one history and prints all of it; `--from N --seeds M` runs many and says what they
 * covered: of rollouts, and of rotations of a root over a fleet that follows late, or not at all. Exit code 1 and the seed when an
 * invariant did not hold.
 */
import { parseArgs } from 'node:util';
import { runHistory as runRotations } from '../trust/fleet/history.ts';
import { MOODS } from '../trust/fleet/temper.ts';
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

function rotateMany(from: number, count: number): void {
  const begun = performance.now();
  const seen = { histories: 0, rotated: 0, aborted: 0, from: new Set<string>() };
  const lives = Array.from({ length: count }, (_, index) => MOODS.map((mood) => ({ seed: from + index, mood }))).flat();
  for (const { seed, mood } of lives) {
    const { violation, rotated, abortedFrom } = runRotations(seed, mood);
    seen.histories += 1;
    seen.rotated += rotated;
    seen.aborted += abortedFrom.length;
    for (const phase of abortedFrom) seen.from.add(phase);
    if (violation === undefined) continue;
    console.error(`Rotations of seed ${seed} (${mood}) violate an invariant: ${violation}`);
    process.exitCode = 1;
    break;
  }
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const phases = [...seen.from].sort().join(', ');
  console.log(`${seen.histories} fleets in ${seconds} s: ${seen.rotated} rotations, ${seen.aborted} aborts (from ${phases})`);
}

if (values.seed === undefined) {
  const [from, count] = [whole('from', values.from), whole('seeds', values.seeds)];
  await runMany(from, count);
  rotateMany(from, count);
} else await replay(whole('seed', values.seed));
