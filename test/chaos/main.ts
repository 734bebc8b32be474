/**
 * `npm run chaos -- --only <name> [--json]`: what must hold while everything goes wrong, on the shipped processes and real Envoys. Prints
 * what it saw; ends with 1 where something was lost, or what must happen did not.
 */
import { parseArgs } from 'node:util';
import { realEnvoy } from '../real-envoy.ts';
import { rotationChaos } from './rotation/rotation.ts';

const CHAOS = { rotation: rotationChaos };
const isKnown = (name: string): name is keyof typeof CHAOS => Object.hasOwn(CHAOS, name);

const { values: asked } = parseArgs({
  options: { only: { type: 'string', default: 'rotation' }, json: { type: 'boolean', default: false } },
});
if (!isKnown(asked.only)) {
  console.error(`There is no ${asked.only}; ask for one of ${Object.keys(CHAOS).join(', ')}.`);
  process.exit(2);
}
const envoy = await realEnvoy();
if (envoy === undefined) {
  console.error('There is no Envoy to be had here: `npm start` fetches one, or name its binary in MESHWRIGHT_ENVOY.');
  process.exit(1);
}
const began = performance.now();
const say = (sentence: string): void =>
  console.error(`${String(Math.round((performance.now() - began) / 1000)).padStart(4)} s  ${sentence}`);
const seen = await CHAOS[asked.only](envoy, say);
console.log(
  asked.json
    ? JSON.stringify(seen)
    : Object.entries(seen)
        .map(([name, value]) => `${name.padEnd(16)} ${JSON.stringify(value)}`)
        .join('\n'),
);
process.exitCode = seen.held ? 0 : 1;
