/**
 * `npm run fuzz`: a million inputs over every parser of outside data, then inputs of the largest size. `--inputs N`, `--seed N` and
 * `--only <parser>` choose; `--only <parser> --seed N --path P` gives that one input again, as a finding prints it. Exit code 1 on a finding.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { Target } from './target.ts';
import { allTargets } from './targets.ts';

const { values } = parseArgs({
  options: { inputs: { type: 'string', default: '1000000' }, seed: { type: 'string' }, only: { type: 'string' }, path: { type: 'string' } },
});

/** One input may take so long of the processor: what is in proportion to its size takes far less. */
const LONGEST_MS = 5_000;

function whole(name: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`--${name} must be a whole number, and "${text}" is none.`);
  process.exit(2);
}

const inputs = whole('inputs', values.inputs);
const seed = values.seed === undefined ? randomInt(2 ** 31) : whole('seed', values.seed);
const running = await allTargets();
const chosen = running.targets.filter(({ name }) => values.only === undefined || name === values.only);
if (chosen.length === 0) {
  console.error(`There is no parser "${values.only}"; there are ${running.targets.map(({ name }) => name).join(', ')}.`);
  process.exit(2);
}
const shares = chosen.reduce((sum, { share }) => sum + share, 0);
const begun = performance.now();
let given = 0;
let findings = 0;

async function fuzz({ name, share, run }: Target): Promise<void> {
  const count = values.path === undefined ? Math.max(1, Math.round((inputs * share) / shares)) : 1;
  // Before, so that a parser that never ends is known by its name.
  process.stdout.write(`${name.padEnd(24)} ${String(count).padStart(8)} inputs `);
  const start = performance.now();
  const finding = await run(count, seed, values.path);
  given += count;
  const seconds = (performance.now() - start) / 1_000;
  console.log(`${seconds.toFixed(1).padStart(7)} s  ${finding ? 'FINDING' : 'nothing found'}`);
  if (!finding) return;
  findings += 1;
  console.error(
    `${finding.error}\n  of the input ${finding.input}\n  again: npm run fuzz -- --only ${name} --seed ${finding.seed} --path ${finding.path}`,
  );
}

async function giveLarge({ name, large }: Target): Promise<void> {
  for (const { what, run } of large) {
    const before = process.cpuUsage();
    try {
      await run();
    } catch (error) {
      findings += 1;
      console.error(`${name} given ${what}: ${error instanceof Error ? error.stack : String(error)}`);
    }
    const { user, system } = process.cpuUsage(before);
    const ms = (user + system) / 1_000;
    console.log(`${name.padEnd(24)} ${what.padEnd(36)} ${ms.toFixed(0).padStart(6)} ms of the processor`);
    if (ms <= LONGEST_MS) continue;
    findings += 1;
    console.error(`${name} given ${what} takes more than ${LONGEST_MS} ms.`);
  }
}

try {
  for (const target of chosen) await fuzz(target);
  if (values.path === undefined) for (const target of chosen) await giveLarge(target);
} finally {
  await running.stop();
}
const polluted = Object.keys(Object.prototype);
if (polluted.length > 0) {
  findings += 1;
  console.error(`Something was written to the prototype of all objects: ${polluted.join(', ')}.`);
}
console.log(
  `${given} inputs in ${((performance.now() - begun) / 1_000).toFixed(0)} s, seed ${seed}: ${findings === 0 ? 'nothing found' : `${findings} findings`}`,
);
process.exitCode = findings === 0 ? 0 : 1;
