/**
 * An installation of its own for each suite: the shipped processes from `dist/`, each started as `npm start` starts them, on
 * free ports of 127.0.0.1 with their state in a temporary directory; killed and revived at will, and gone without a trace.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { type Child, startProgram } from '../../src/local/child.ts';
import { openStateDirectory, type StateDirectory } from '../../src/local/state-directory.ts';
import { freePorts } from '../real-envoy.ts';
import { descendantsOf } from './processes.ts';
import { until } from './until.ts';

export const DIST = join(import.meta.dirname, '..', '..', 'dist');
const LOOPBACK = '127.0.0.1';

const statusSchema = z.object({
  version: z.number(),
  stable: z.string().nullable(),
  split: z.array(z.object({ version: z.string(), weight: z.number() })),
  rollout: z.object({ candidate: z.string(), phase: z.string(), step: z.number() }).nullable(),
  rejected: z.array(z.object({ release: z.string(), because: z.string() })),
  pending: z.array(z.object({ what: z.string() })),
});
export type Status = z.infer<typeof statusSchema>;

const journalSchema = z.object({ commits: z.array(z.object({ actor: z.string(), events: z.array(z.looseObject({ type: z.string() })) })) });

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  /** Parsed, if it was JSON. */
  readonly body: unknown;
}

export type ProgramName = 'functions' | 'xds';

export interface Installation {
  readonly directory: StateDirectory;
  readonly ports: { readonly functions: number; readonly ads: number; readonly door: number };
  readonly token: string;
  readonly nodeToken: string;
  /** With the token of this installation, unless `headers` say otherwise. A text is sent as it is, everything else as JSON. */
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Adopts the mesh `shop` with the service `catalog`, which begins with v1 and has these lines on top. */
  apply(lines: string): Promise<void>;
  deploy(version: string, more?: { readonly again?: boolean }): Promise<Answer>;
  /** Of `catalog`. */
  status(): Promise<Status>;
  /** Of `catalog`: the types of all events, in order. */
  events(): Promise<readonly string[]>;
  /** Resolves when it is ready; `environment` on top of what it always has. */
  start(name: ProgramName, environment?: Readonly<Record<string, string>>): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(name: ProgramName): Promise<void>;
  /** Resolves when the process has ended without anybody's asking. */
  ended(name: ProgramName): Promise<void>;
  /** All it has printed, over all its lives. */
  log(name: ProgramName): Promise<string>;
  /** Ends everything and removes the directory. Rejects when a process is left. */
  stop(): Promise<void>;
}

/** Nothing runs yet: `start` what the suite needs. */
export async function installation(): Promise<Installation> {
  if (!existsSync(join(DIST, 'local', 'functions.js'))) throw new Error('There is no build in dist/; run `npm run build` first.');
  const directory = await openStateDirectory(await mkdtemp(join(tmpdir(), 'meshwright-e2e-')));
  const [functions = 0, ads = 0, door = 0] = await freePorts(3);
  const ports = { functions, ads, door };
  const [token, nodeToken] = await Promise.all([directory.tokenFile, directory.nodeTokenFile].map(readSecret));
  if (!token || !nodeToken) throw new Error('The state directory came without tokens.');
  const url = `http://${LOOPBACK}:${functions}`;
  const children = new Map<ProgramName, Child>();
  const strangers = descendantsOf(process.pid);

  const environment: Readonly<Record<string, string>> = {
    MESHWRIGHT_STATE_FILE: directory.stateFile,
    MESHWRIGHT_AUTH: 'token',
    MESHWRIGHT_TOKEN_FILE: directory.tokenFile,
    MESHWRIGHT_NODE_TOKEN_FILE: directory.nodeTokenFile,
    MESHWRIGHT_URL: url,
    MESHWRIGHT_XDS_URL: `http://${LOOPBACK}:${door}`,
    MESHWRIGHT_XDS_PORT: String(ads),
    MESHWRIGHT_XDS_DOOR_PORT: String(door),
    MESHWRIGHT_DESCRIPTORS: join(DIST, 'xds', 'envoy.binpb'),
  };
  const programs = {
    functions: { argv: [join(DIST, 'local', 'functions.js'), String(functions)], ready: /"listening"/ },
    xds: { argv: [join(DIST, 'xds', 'main.js')], ready: /"ads"/ },
  };
  const logFile = (name: ProgramName): string => join(directory.logs, `${name}.log`);

  async function call(method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const contentType = response.headers.get('content-type') ?? '';
    return { status: response.status, contentType, body: contentType.includes('json') ? JSON.parse(text) : text };
  }

  return {
    directory,
    ports,
    token,
    nodeToken,
    call,

    async apply(lines) {
      const files = [
        { path: 'mesh.yaml', text: MESH_FILE },
        { path: 'catalog.yaml', text: `${CATALOG_FILE}${lines}\n` },
      ];
      const answer = await call('POST', '/apply', { files });
      if (answer.status !== 200) throw new Error(`The spec was not adopted: ${JSON.stringify(answer.body)}`);
    },

    deploy: (version, more = {}) => call('POST', '/meshes/shop/services/catalog/rollout', { version, ...more }),
    status: async () => statusSchema.parse((await call('GET', '/meshes/shop/services/catalog')).body),
    async events() {
      const { body } = await call('GET', '/meshes/shop/services/catalog/journal?limit=1000');
      return journalSchema.parse(body).commits.flatMap(({ events }) => events.map(({ type }) => type));
    },

    async start(name, more = {}) {
      const { argv, ready } = programs[name];
      let isReady = false;
      const child = startProgram({
        command: process.execPath,
        arguments: ['--no-warnings', ...argv],
        environment: { ...environment, ...more },
        logFile: logFile(name),
        onLine: (line) => {
          isReady ||= ready.test(line);
        },
      });
      children.set(name, child);
      let hasEnded = false;
      void child.ended.then(() => {
        hasEnded = true;
      });
      await until(`${name} is ready`, () => isReady || hasEnded);
      if (!isReady) throw new Error(`${name} ended at its start: ${await readFile(logFile(name), 'utf8')}`);
    },

    async kill(name) {
      children.get(name)?.process.kill('SIGKILL');
      await children.get(name)?.ended;
    },

    async ended(name) {
      await children.get(name)?.ended;
    },

    log: (name) => readFile(logFile(name), 'utf8'),

    async stop() {
      await Promise.all([...children.values()].map((child) => child.stop()));
      await until('no child process is left', () => descendantsOf(process.pid).every((pid) => strangers.includes(pid)), 20_000);
      await rm(directory.path, { recursive: true, force: true });
    },
  };
}

const readSecret = async (file: string): Promise<string> => (await readFile(file, 'utf8')).trim();

const MESH_FILE = `apiVersion: meshwright.dev/v1
kind: Mesh
name: shop
dataPlanes:
  - { name: edge, kind: envoy }
`;

const CATALOG_FILE = `apiVersion: meshwright.dev/v1
kind: Service
name: catalog
port: 8080
stable: v1
alerts:
  - rule: catalog-errors
`;
