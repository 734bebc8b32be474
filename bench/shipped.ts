/**
 * The processes as they are shipped, in a state directory of their own: the functions and the xds server from `dist/`, two
 * processes beside this one, and the HTTP client that every clock starts with. Everything is gone after `stop`.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { Agent, type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Endpoint } from '../src/dataplanes/envoy/resources.ts';
import { type Child, startProgram } from '../src/local/child.ts';
import { openStateDirectory, type StateDirectory } from '../src/local/state-directory.ts';

export const LOOPBACK = '127.0.0.1';
const STARTS_WITHIN_MS = 20_000;
const LEASE_MS = 60_000;
/** The host closes connections that were idle for five seconds: none is used again that is about to go. */
const IDLE_MS = 2_000;
const GIVE_UP_MS = 30_000;

export interface Answered {
  readonly status: number;
  /** Parsed JSON. */
  readonly body: unknown;
}

export interface Shipped {
  readonly directory: StateDirectory;
  readonly adsPort: number;
  readonly nodeToken: string;
  /** What the xds server's process holds in memory now, in bytes. */
  xdsResident(): Promise<number>;
  /** To the functions, over a connection that may have been used before; rejects when there is no answer. */
  call(method: 'GET' | 'POST', path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answered>;
  /** Registers endpoints with the xds server, and renews their leases until the end. */
  register(mesh: string, dataPlane: string, endpoints: readonly Endpoint[]): Promise<void>;
  /** Ends both processes; their state stays readable until `remove`. */
  end(): Promise<void>;
  remove(): Promise<void>;
}

export async function startShipped(dist = join(import.meta.dirname, '../dist')): Promise<Shipped> {
  const directory = await openStateDirectory(await mkdtemp(join(tmpdir(), 'meshwright-bench-')));
  const [functionsPort, adsPort, doorPort] = [await freePort(), await freePort(), await freePort()];
  const environment = {
    MESHWRIGHT_STATE_FILE: directory.stateFile,
    MESHWRIGHT_AUTH: 'token',
    MESHWRIGHT_TOKEN_FILE: directory.tokenFile,
    MESHWRIGHT_NODE_TOKEN_FILE: directory.nodeTokenFile,
    MESHWRIGHT_URL: `http://${LOOPBACK}:${functionsPort}`,
    MESHWRIGHT_XDS_URL: `http://${LOOPBACK}:${doorPort}`,
    MESHWRIGHT_XDS_PORT: String(adsPort),
    MESHWRIGHT_XDS_DOOR_PORT: String(doorPort),
    MESHWRIGHT_DESCRIPTORS: join(dist, 'xds/envoy.binpb'),
  };
  const start = (name: string, argv: readonly string[], ready: RegExp) =>
    startOne(directory, name, ['--no-warnings', ...argv], environment, ready);
  const children: Child[] = [];
  let xds: Child;
  try {
    children.push(await start('functions', [join(dist, 'local/functions.js'), String(functionsPort)], /"listening"/));
    xds = await start('xds', [join(dist, 'xds/main.js')], /"ads"/);
    children.push(xds);
  } catch (error) {
    await Promise.all(children.map((child) => child.stop()));
    throw error;
  }
  const [token, nodeToken] = await Promise.all([directory.tokenFile, directory.nodeTokenFile].map(secretIn));
  const agent = new Agent({ keepAlive: true, timeout: IDLE_MS });
  const leases: NodeJS.Timeout[] = [];
  return {
    directory,
    adsPort,
    nodeToken: nodeToken ?? '',
    xdsResident: () => residentBytes(xds.process.pid),
    call: (method, path, body, headers) => send({ agent, port: functionsPort, method, path, token: token ?? '', headers }, body),
    async register(mesh, dataPlane, endpoints) {
      const body = { mesh, dataPlane, leaseMs: LEASE_MS, endpoints };
      const register = () => send({ agent, port: doorPort, method: 'POST', path: '/endpoints', token: nodeToken ?? '' }, body);
      expectStatus(200, await register());
      // One renewal that gets lost does no harm: two more come within the lease.
      leases.push(setInterval(() => void register().catch(() => {}), LEASE_MS / 3));
    },
    async end() {
      for (const lease of leases) clearInterval(lease);
      agent.destroy();
      await Promise.all(children.map((child) => child.stop()));
    },
    remove: () => rm(directory.path, { recursive: true, force: true }),
  };
}

async function residentBytes(pid = 0): Promise<number> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(stdout) * 1024;
}

const secretIn = async (file: string): Promise<string> => (await readFile(file, 'utf8')).trim();

async function startOne(
  directory: StateDirectory,
  name: string,
  argv: readonly string[],
  environment: Record<string, string>,
  ready: RegExp,
): Promise<Child> {
  const last: string[] = [];
  let timer: NodeJS.Timeout | undefined;
  const child = await new Promise<Child>((resolve, reject) => {
    const started = startProgram({
      command: process.execPath,
      arguments: argv,
      environment,
      logFile: join(directory.logs, `${name}.log`),
      onLine: (line) => {
        last.push(line);
        if (ready.test(line)) resolve(started);
      },
    });
    const fail = (): void => reject(new Error(`${name} did not start: ${last.slice(-5).join('\n')}`));
    timer = setTimeout(() => void started.stop().then(fail), STARTS_WITHIN_MS);
    void started.ended.then(fail);
  });
  clearTimeout(timer);
  return child;
}

interface Target {
  readonly agent: Agent;
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly token: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

async function send({ token, headers: more, ...target }: Target, body: unknown): Promise<Answered> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...more };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ host: LOOPBACK, ...target, headers }, resolve)
      .on('error', reject)
      .end(text);
  });
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(Buffer.from(chunk));
  return { status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString()) };
}

export function expectStatus(status: number, answered: { readonly status: number; readonly body: unknown }): void {
  if (answered.status !== status) throw new Error(`Expected ${status}, and got ${answered.status}: ${JSON.stringify(answered.body)}`);
}

/** Waits for a fact, looking 100 times a second; rejects after half a minute. */
export async function until(fact: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const giveUpAt = performance.now() + GIVE_UP_MS;
  while (!(await fact())) {
    if (performance.now() > giveUpAt) throw new Error(`Waited ${GIVE_UP_MS / 1_000} s in vain until ${what}.`);
    await new Promise((again) => setTimeout(again, 10));
  }
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, LOOPBACK, () => {
      const bound = server.address();
      server.close(() => (bound && typeof bound === 'object' ? resolve(bound.port) : reject(new Error('no port'))));
    });
  });
}
