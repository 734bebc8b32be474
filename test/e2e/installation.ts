/**
 * An installation of its own for each suite: the shipped processes from `dist/`, each started as `npm start` starts them, on
 * free ports of 127.0.0.1 with their state in a temporary directory; killed and revived at will, and gone without a trace.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Child, startProgram } from '../../src/local/child.ts';
import { openStateDirectory, type StateDirectory } from '../../src/local/state-directory.ts';
import { freePorts } from '../real-envoy.ts';
import { type Api, apiOf } from './api.ts';
import { descendantsOf } from './processes.ts';
import { until } from './until.ts';

export const DIST = join(import.meta.dirname, '..', '..', 'dist');
const LOOPBACK = '127.0.0.1';

export type ProgramName = 'functions' | 'xds';

export interface Installation extends Api {
  readonly directory: StateDirectory;
  readonly ports: { readonly functions: number; readonly ads: number; readonly door: number };
  readonly token: string;
  readonly nodeToken: string;
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
  const children = new Map<ProgramName, Child>();
  const strangers = descendantsOf(process.pid);

  const environment = environmentOf(directory, ports);
  const programs = {
    functions: { argv: [join(DIST, 'local', 'functions.js'), String(functions)], ready: /"listening"/ },
    xds: { argv: [join(DIST, 'xds', 'main.js')], ready: /"ads"/ },
  };
  const logFile = (name: ProgramName): string => join(directory.logs, `${name}.log`);

  return {
    directory,
    ports,
    token,
    nodeToken,
    ...apiOf(`http://${LOOPBACK}:${functions}`, token),

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

/** As `npm start` gives it. */
function environmentOf(
  { stateFile, tokenFile, nodeTokenFile }: StateDirectory,
  ports: Installation['ports'],
): Readonly<Record<string, string>> {
  return {
    MESHWRIGHT_STATE_FILE: stateFile,
    MESHWRIGHT_AUTH: 'token',
    MESHWRIGHT_TOKEN_FILE: tokenFile,
    MESHWRIGHT_NODE_TOKEN_FILE: nodeTokenFile,
    MESHWRIGHT_URL: `http://${LOOPBACK}:${ports.functions}`,
    MESHWRIGHT_XDS_URL: `http://${LOOPBACK}:${ports.door}`,
    MESHWRIGHT_XDS_PORT: String(ports.ads),
    MESHWRIGHT_XDS_DOOR_PORT: String(ports.door),
    MESHWRIGHT_DESCRIPTORS: join(DIST, 'xds', 'envoy.binpb'),
  };
}

const readSecret = async (file: string): Promise<string> => (await readFile(file, 'utf8')).trim();
