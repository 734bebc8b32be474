/**
 * `npm run bench`: measures what this project promises, against the processes as they are shipped. `--json` prints a list
 * of figures, otherwise a table; `--only <name>` measures one. Ends with 0 also when a target was missed (a benchmark does
 * not judge), with 1 when something could not be measured.
 */
import { parseArgs } from 'node:util';
import { alertToTraffic } from './alert-to-traffic.ts';
import { appLoad } from './app-load.ts';
import { certificates } from './certificates.ts';
import { decision } from './decision.ts';
import { fanout } from './fanout.ts';
import { type Benchmark, type Figure, isReached } from './figure.ts';
import { render } from './render.ts';
import { requestUnits } from './request-units.ts';
import { rotation } from './rotation.ts';
import { writeToProxy } from './write-to-proxy.ts';

const benchmarks: readonly Benchmark[] = [
  alertToTraffic,
  writeToProxy,
  fanout,
  decision,
  requestUnits,
  render,
  appLoad,
  certificates,
  rotation,
];

const { values: asked } = parseArgs({ options: { json: { type: 'boolean', default: false }, only: { type: 'string' } } });
const progress = (sentence: string): void => console.error(sentence);

const chosen = benchmarks.filter(({ names }) => asked.only === undefined || names.includes(asked.only));
if (chosen.length === 0) {
  console.error(`There is no ${asked.only}; ask for one of ${benchmarks.flatMap(({ names }) => names).join(', ')}.`);
  process.exit(1);
}

const figures: Figure[] = [];
for (const benchmark of chosen) {
  const [name] = benchmark.names;
  try {
    progress(`${name} …`);
    const measured = await benchmark.measure((sentence) => progress(`  ${name}: ${sentence}`));
    figures.push(...measured.filter((figure) => asked.only === undefined || figure.name === asked.only));
  } catch (error) {
    progress(`${benchmark.names.join(', ')} could not be measured: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
console.log(asked.json ? JSON.stringify(figures, undefined, 2) : tableOf(figures));

function tableOf(measured: readonly Figure[]): string {
  return measured
    .map((figure) => {
      const { name, value, unit, target, peer, note, cause } = figure;
      const verdict = isReached(figure) ? 'reached' : 'missed';
      const lines = [`${name.padEnd(26)} ${`${value} ${unit}`.padStart(12)}   target ${target} ${unit}, ${verdict}`];
      if (peer) lines.push(`    peers: ${peer}`);
      if (note) lines.push(`    how:   ${note}`);
      if (cause) lines.push(`    cause: ${cause}`);
      return lines.join('\n');
    })
    .join('\n');
}
