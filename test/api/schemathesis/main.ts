/**
 * `npm run test:api`: schemathesis asks the shipped functions, over the OpenAPI document that they serve themselves, at least 10,000 things:
 * what the document allows, and what it does not. No answer may be a 5xx, and each has to be what the document says. `--examples N`: how many
 * of each kind an operation is asked; `--seed N`: the same once more.
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installation } from '../../e2e/installation.ts';
import { countingRelay } from './counting-relay.ts';

const LEAST_REQUESTS = 10_000;
const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt');
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
];

const { values } = parseArgs({ options: { examples: { type: 'string', default: '150' }, seed: { type: 'string' } } });
const seed = values.seed ?? String(randomInt(2 ** 31));

/** As wheels, by their exact versions, outside the tree; once. */
function schemathesis(): string {
  const { MESHWRIGHT_CACHE, XDG_CACHE_HOME } = process.env;
  const [, version] = /^schemathesis==(\S+)$/m.exec(readFileSync(REQUIREMENTS, 'utf8')) ?? [];
  const home = join(MESHWRIGHT_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'meshwright'), `schemathesis-${version}`);
  if (existsSync(home)) return home;
  const making = `${home}.${process.pid}`;
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary', ':all:', '--target', making];
  const { status } = spawnSync('python3', [...pip, '--requirement', REQUIREMENTS], { stdio: 'inherit' });
  if (status !== 0) {
    rmSync(making, { recursive: true, force: true });
    console.error('pip could not fetch schemathesis: it takes Python 3.10 or newer with pip, and a package index.');
    process.exit(1);
  }
  renameSync(making, home);
  return home;
}

const FILES = [
  {
    path: 'mesh.yaml',
    text: `apiVersion: meshwright.dev/v1
kind: Mesh
name: shop
dataPlanes: [{ name: edge, kind: envoy }]
certificates: { leafLife: 1h, issuerLife: 1d, rootLife: 30d, attest: [join] }
`,
  },
  {
    path: 'catalog.yaml',
    text: `apiVersion: meshwright.dev/v1
kind: Service
name: catalog
port: 8080
stable: v1
rollout: canary
`,
  },
];

/** The host refuses by 431, before anything of ours is asked, what is longer than it reads. */
const COMMON = `[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 413, 422, 431]
`;
/** Names that there are, so that more than the way in is asked; in the second run any. */
const CONFIG = `${COMMON}[parameters]
"path.mesh" = "shop"
"path.service" = "catalog"
`;

async function ask(home: string, config: string, url: string, token: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'meshwright-schemathesis-'));
  try {
    await writeFile(join(folder, 'schemathesis.toml'), config);
    const options = ['run', `${url}/openapi.json`, '--header', `Authorization: Bearer ${token}`, '--checks', CHECKS.join(',')];
    // One worker: Python's own parser falls over itself when several threads read sources.
    const how = [
      '--max-examples',
      values.examples,
      '--seed',
      seed,
      '--no-color',
      '--phases',
      'examples,coverage,fuzzing',
      '--continue-on-failure',
      '--generation-database',
      'none',
    ];
    const child = spawn(join(home, 'bin', 'st'), [...options, ...how], {
      cwd: folder,
      stdio: 'inherit',
      env: { ...process.env, PYTHONPATH: home },
    });
    await once(child, 'close');
    return child.exitCode ?? 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const home = schemathesis();
const begun = performance.now();
const host = await installation();
await host.start('functions');
const relay = await countingRelay(host.ports.functions);
let failed = false;
try {
  const applied = await host.call('POST', '/apply', { files: FILES });
  if (applied.status !== 200) throw new Error(JSON.stringify(applied.body));
  for (const config of [CONFIG, COMMON]) failed = (await ask(home, config, relay.url, host.token)) !== 0 || failed;
} finally {
  relay.stop();
  await host.stop();
}
const asked = [...relay.answers.values()].reduce((sum, count) => sum + count, 0);
const byStatus = [...relay.answers].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`);
console.log(`${asked} requests in ${((performance.now() - begun) / 1_000).toFixed(0)} s, seed ${seed}; ${byStatus.join(', ')}`);
for (const failure of relay.failures) console.error(failure.slice(0, 2_000));
if (asked < LEAST_REQUESTS) console.error(`That is less than ${LEAST_REQUESTS}: give more --examples.`);
process.exitCode = failed || relay.failures.length > 0 || asked < LEAST_REQUESTS ? 1 : 0;
