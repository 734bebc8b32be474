/**
 * `npm start`: the main job on one machine. Starts the functions, the xds server and the sample mesh, says what to try
 * next, starts again what ends unasked, and leaves a state from which the next start goes on.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Child, startProgram } from './child.ts';
import { defaultCacheDir, fetchEnvoy } from './envoy-binary.ts';
import { isFree } from './playground/ports.ts';
import { openStateDirectory, type StateDirectory } from './state-directory.ts';

const LOOPBACK = '127.0.0.1';
const DEFAULT_PORT = '7071';
const DEFAULT_STATE = '.meshwright';
const PORT_OPTIONS = ['port', 'xds-port', 'xds-door-port'] as const;
const REVIVE_MS = 1_000;
/** Children of a start that was killed let go of their ports within this time. */
const PORTS_FREE_WITHIN_MS = 3_000;
const SERVED_WITHIN_MS = 60_000;
const dist = join(import.meta.dirname, '..');

const { values: asked } = parseArgs({
  options: {
    port: { type: 'string', default: DEFAULT_PORT },
    'xds-port': { type: 'string', default: '18000' },
    'xds-door-port': { type: 'string', default: '18001' },
    state: { type: 'string', default: DEFAULT_STATE },
    'without-envoys': { type: 'boolean', default: false },
  },
});
const url = `http://localhost:${asked.port}`;
const children = new Map<string, Child>();
let stopping = false;

async function main(): Promise<void> {
  const ports = (asked['without-envoys'] ? (['port'] as const) : PORT_OPTIONS).map(readPort);
  if (await answers(`${url}/health`)) fail(`meshwright is running already: open ${url}, or stop that one first (Ctrl-C where it runs).`);
  for (const port of ports) await untilFree(port);
  const directory = await openStateDirectory(resolve(asked.state));
  await claim(directory);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(0));

  say(`meshwright keeps its state in ${directory.path}`);
  await keep('functions', directory, [join(dist, 'local/functions.js'), asked.port], environmentOf(directory), /"listening"/);
  say(`functions on ${url}`);
  const envoy = asked['without-envoys'] ? undefined : await envoyPath();
  if (envoy === undefined) {
    say('Going on without Envoys: spec, events and journal work, and a rollout waits, since no data plane is seen to serve it.');
  } else {
    await keep('xds', directory, [join(dist, 'xds/main.js')], environmentOf(directory), /"ads"/);
    say(`xds server for Envoys on ${LOOPBACK}:${asked['xds-port']}`);
    await applySample(directory);
    await keep('playground', directory, [join(dist, 'local/playground.js'), playgroundSettings(directory, envoy)], {}, /"outbound"/);
    say(
      (await untilServed())
        ? 'the sample mesh is serving: a caller and catalog v1, v2 and v2-broken behind four Envoys with mTLS, 20 requests a second'
        : `catalog is not served yet: see \`npx meshwright status\` and ${directory.logs}.`,
    );
  }
  sayWhatNext(envoy !== undefined);
}

function readPort(option: (typeof PORT_OPTIONS)[number]): { readonly option: string; readonly port: number } {
  const port = Number(asked[option]);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return { option, port };
  return fail(`--${option} takes the number of a port, and ${asked[option]} is none.`);
}

async function untilFree({ option, port }: { readonly option: string; readonly port: number }): Promise<void> {
  const givenUpAt = performance.now() + PORTS_FREE_WITHIN_MS;
  while (!(await isFree(port))) {
    if (performance.now() > givenUpAt)
      fail(`Port ${port} is taken by another program; end that one, or name another port with --${option}.`);
    await new Promise((again) => setTimeout(again, 100));
  }
}

/** Two hosts on one state would both own its children; the file names the one that runs, and a dead one does not answer. */
async function claim({ path, runningFile }: StateDirectory): Promise<void> {
  const running = await readFile(runningFile, 'utf8').catch(() => '');
  if (running !== '' && (await answers(`${running}/health`)))
    fail(`meshwright is running already on ${path}: open ${running}, or stop that one first.`);
  await writeFile(runningFile, url);
}

/** Resolves when the child has printed its ready line; starts it again whenever it ends unasked. */
async function keep(
  name: string,
  directory: StateDirectory,
  argv: readonly string[],
  environment: Record<string, string>,
  ready: RegExp,
): Promise<void> {
  let started = false;
  await new Promise<void>((resolveReady) => {
    const start = (): void => {
      const last: string[] = [];
      const child = startProgram({
        command: process.execPath,
        arguments: ['--no-warnings', ...argv],
        environment,
        logFile: join(directory.logs, `${name}.log`),
        onLine: (line) => {
          last.push(line);
          if (last.length > 5) last.shift();
          if (!ready.test(line)) return;
          if (started) say(`${name} is back`);
          started = true;
          resolveReady();
        },
      });
      children.set(name, child);
      void child.ended.then((code) => {
        if (stopping) return;
        if (!started) fail(last.join('\n') || `${name} did not start (exit code ${code}); see ${join(directory.logs, `${name}.log`)}.`);
        say(`${name} ended; it is started again`);
        setTimeout(() => {
          if (!stopping) start();
        }, REVIVE_MS);
      });
    };
    start();
  });
}

function environmentOf(directory: StateDirectory): Record<string, string> {
  return {
    MESHWRIGHT_STATE_FILE: directory.stateFile,
    MESHWRIGHT_AUTH: 'token',
    MESHWRIGHT_TOKEN_FILE: directory.tokenFile,
    MESHWRIGHT_NODE_TOKEN_FILE: directory.nodeTokenFile,
    MESHWRIGHT_URL: url,
    MESHWRIGHT_XDS_URL: `http://${LOOPBACK}:${asked['xds-door-port']}`,
    MESHWRIGHT_XDS_PORT: asked['xds-port'],
    MESHWRIGHT_XDS_DOOR_PORT: asked['xds-door-port'],
    MESHWRIGHT_DESCRIPTORS: join(dist, 'xds/envoy.binpb'),
  };
}

function playgroundSettings(directory: StateDirectory, envoy: string): string {
  return JSON.stringify({
    envoy,
    directory: join(directory.path, 'playground'),
    portsFile: directory.playgroundFile,
    logs: directory.logs,
    nodeTokenFile: directory.nodeTokenFile,
    tokenFile: directory.tokenFile,
    functionsUrl: url,
    agent: join(dist, 'agent/main.js'),
    adsPort: Number(asked['xds-port']),
    doorPort: Number(asked['xds-door-port']),
  });
}

async function envoyPath(): Promise<string | undefined> {
  const { MESHWRIGHT_ENVOY: named, PATH: searchPath, XDG_CACHE_HOME } = process.env;
  const found = await fetchEnvoy({
    cacheDir: defaultCacheDir(XDG_CACHE_HOME),
    onProgress: say,
    ...(named ? { named } : {}),
    ...(searchPath ? { searchPath } : {}),
  });
  if (found.ok) return found.path;
  say(found.message);
  return undefined;
}

/** Only where there is none: a spec that somebody applied to the sample mesh stays. */
async function applySample(directory: StateDirectory): Promise<void> {
  const journal = await fetch(`${url}/meshes/playground/journal?limit=1`);
  if ((await journal.text()).includes('SpecAdopted')) return;
  const files = await Promise.all(
    ['mesh.yaml', 'catalog.yaml'].map(async (path) => ({ path, text: await readFile(join(dist, '../examples/playground', path), 'utf8') })),
  );
  const token = (await readFile(directory.tokenFile, 'utf8')).trim();
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const applied = await fetch(`${url}/apply`, { method: 'POST', headers, body: JSON.stringify({ files }) });
  if (!applied.ok) fail(`The sample mesh was not adopted: ${await applied.text()}`);
}

/** A fact, not a time: the caller's Envoy answers for catalog. False when it did not for a minute, as with another spec than the sample's. */
async function untilServed(): Promise<boolean> {
  const givenUpAt = performance.now() + SERVED_WITHIN_MS;
  const { outbound } = JSON.parse(await readFile(join(resolve(asked.state), 'playground.json'), 'utf8'));
  while (!stopping && !(await answers(`http://${LOOPBACK}:${outbound}/items`, { host: 'catalog' }))) {
    if (performance.now() > givenUpAt) return false;
    await new Promise((again) => setTimeout(again, 200));
  }
  return true;
}

async function answers(address: string, headers: Record<string, string> = {}): Promise<boolean> {
  const { request } = await import('node:http');
  return new Promise((done) => {
    const call = request(address, { headers, timeout: 1_500 }, (response) => {
      response.resume();
      done(response.statusCode === 200);
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => done(false));
    call.end();
  });
}

function sayWhatNext(envoys: boolean): void {
  const lines = envoys
    ? [
        ['npx meshwright deploy catalog v2', 'a good version: 10, 30, 60, 100 % in less than a minute'],
        ['npx meshwright deploy catalog v2-broken', 'a bad one …'],
        ['npx meshwright alert catalog', '… and the alert that takes it back'],
        ['npx meshwright alert catalog --resolved', '… and its end, so that the next version may begin'],
        ['npx meshwright status', 'where everything is'],
        ['npx meshwright certificates', 'who trusts which root, who presents what, until when'],
        ['npx meshwright rotate', 'replace the root, phase by phase: about 40 seconds'],
      ]
    : [
        ['npx meshwright apply examples/playground', 'adopt the sample spec'],
        ['npx meshwright status', 'where everything is'],
      ];
  say(`\nOpen ${url} and, in another terminal in this folder, try:`);
  if (asked.port !== DEFAULT_PORT) say(`  export MESHWRIGHT_URL=${url}`);
  if (asked.state !== DEFAULT_STATE) say(`  export MESHWRIGHT_TOKEN=$(cat ${join(resolve(asked.state), 'token')})`);
  for (const [command, what] of lines) say(`  ${command?.padEnd(42)} ${what}`);
  say('Ctrl-C stops everything; the next start goes on from here.');
}

async function stop(code: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  say('stopping …');
  await Promise.all(['playground', 'xds', 'functions'].map((name) => children.get(name)?.stop()));
  process.exit(code);
}

function say(sentence: string): void {
  console.log(sentence);
}

function fail(sentence: string): never {
  console.error(sentence);
  for (const child of children.values()) child.process.kill('SIGKILL');
  process.exit(1);
}

await main();
