/**
 * A mesh to measure: one service in two versions that are plain HTTP backends, real Envoys in front of callers, and
 * requests through them at a steady pace, each on a connection of its own.
 */
import { writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { renderBootstrap } from '../src/dataplanes/envoy/bootstrap.ts';
import { type Child, startGuarded } from '../src/local/child.ts';
import { defaultCacheDir, fetchEnvoy } from '../src/local/envoy-binary.ts';
import { expectStatus, freePort, LOOPBACK, type Shipped, startShipped, until } from './shipped.ts';

export const MESH = 'bench';
export const SERVICE = 'catalog';
export const ALERT_RULE = 'catalog-errors';
const DATA_PLANE = 'edge';

export type Version = 'v1' | 'v2';

export interface SampleMesh {
  readonly shipped: Shipped;
  /** The outbound ports of the callers' Envoys. */
  readonly callers: readonly number[];
  /** Asks for a version as CI/CD does; rejects when it is not taken in. */
  deploy(version: Version): Promise<void>;
  /** Waits until the rollout is in `phase` (undefined: over) and nothing is owed any more. */
  rest(phase: string | undefined): Promise<void>;
  stop(): Promise<void>;
}

/** `steps` as in a spec. Resolves when every caller's Envoy answers for the service. */
export async function startSampleMesh(steps: string, callers: number, progress: (sentence: string) => void): Promise<SampleMesh> {
  const envoy = await envoyBinary(progress);
  const shipped = await startShipped();
  const ended: (() => Promise<unknown>)[] = [() => shipped.end().then(() => shipped.remove())];
  const stop = async (): Promise<void> => {
    for (const end of ended.reverse()) await end();
  };
  try {
    expectStatus(200, await shipped.call('POST', '/apply', { files: specOf(steps) }));
    const endpoints = [];
    for (const version of ['v1', 'v2'] as const) {
      const backend = await startBackend(version);
      ended.push(backend.stop);
      endpoints.push({ service: SERVICE, version, address: LOOPBACK, port: backend.port });
    }
    await shipped.register(MESH, DATA_PLANE, endpoints);

    const ports: number[] = [];
    for (let index = 0; index < callers; index += 1) {
      const port = await freePort();
      const child = await startCaller(shipped, envoy, `caller-${index}`, port);
      ended.push(() => child.stop());
      ports.push(port);
    }
    for (const port of ports) await until(async () => (await ask(port)) === 'v1', `the Envoy on ${port} answers`);
    return { shipped, callers: ports, ...driving(shipped), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function driving(shipped: Shipped): Pick<SampleMesh, 'deploy' | 'rest'> {
  const statusSchema = z.object({ rollout: z.object({ phase: z.string() }).nullable(), pending: z.array(z.unknown()) });
  const path = `/meshes/${MESH}/services/${SERVICE}`;
  return {
    async deploy(version) {
      expectStatus(202, await shipped.call('POST', `${path}/rollout`, { version, again: true }));
    },
    rest: (phase) =>
      until(
        async () => {
          const { rollout, pending } = statusSchema.parse((await shipped.call('GET', path)).body);
          return rollout?.phase === phase && pending.length === 0;
        },
        phase === undefined ? 'the rollout is over' : `the rollout is ${phase}`,
      ),
  };
}

/** Calls each of `ports` every `everyMs`, evenly spread, until it is stopped. `answered` hears of each answer as it is complete. */
export function keepAsking(
  ports: readonly number[],
  everyMs: number,
  answered: (caller: number, version: string | undefined, at: number) => void,
): { stop(): void } {
  let next = 0;
  let due = performance.now();
  const timer = setInterval(() => {
    // A late timer owes what it missed: the pace is kept whatever the machine does.
    for (; due <= performance.now(); due += everyMs / ports.length) {
      const caller = next++ % ports.length;
      void ask(ports[caller] ?? 0).then((version) => answered(caller, version, performance.now()));
    }
  }, 1);
  return { stop: () => clearInterval(timer) };
}

/** The version that answered; undefined for anything but a 200. */
function ask(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asked = request({ host: LOOPBACK, port, agent: false, headers: { host: SERVICE } }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve(response.statusCode === 200 ? body : undefined));
    });
    asked.on('error', () => resolve(undefined)).end();
  });
}

async function startBackend(version: Version): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const server = createServer((_request, response) => response.end(version));
  const port = await freePort();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, LOOPBACK, resolve));
  return {
    port,
    async stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function startCaller({ directory, adsPort, nodeToken }: Shipped, envoy: string, id: string, port: number): Promise<Child> {
  const node = { id, mesh: MESH, dataPlane: DATA_PLANE, outbound: { address: LOOPBACK, port } };
  const file = join(directory.path, `${id}.json`);
  const bootstrap = renderBootstrap({ node, xds: { address: LOOPBACK, port: adsPort }, token: nodeToken });
  await writeFile(file, JSON.stringify(bootstrap), { mode: 0o600 });
  return startGuarded({
    command: envoy,
    arguments: ['--config-path', file, '--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'warn'],
    logFile: join(directory.logs, `${id}.log`),
  });
}

async function envoyBinary(progress: (sentence: string) => void): Promise<string> {
  const { MESHWRIGHT_ENVOY: named, PATH: searchPath, XDG_CACHE_HOME } = process.env;
  const found = await fetchEnvoy({
    cacheDir: defaultCacheDir(XDG_CACHE_HOME),
    onProgress: progress,
    ...(named ? { named } : {}),
    ...(searchPath ? { searchPath } : {}),
  });
  if (!found.ok) throw new Error(found.message);
  return found.path;
}

function specOf(steps: string): readonly { readonly path: string; readonly text: string }[] {
  const head = 'apiVersion: meshwright.dev/v1';
  const mesh = [head, 'kind: Mesh', `name: ${MESH}`, 'dataPlanes:', `  - { name: ${DATA_PLANE}, kind: envoy }`];
  const rollout = ['rollout:', '  strategy: canary', `  steps: ${steps}`];
  const service = [head, 'kind: Service', `name: ${SERVICE}`, 'port: 8080', 'stable: v1', ...rollout, `alerts: [{ rule: ${ALERT_RULE} }]`];
  return [
    { path: 'mesh.yaml', text: mesh.join('\n') },
    { path: 'catalog.yaml', text: service.join('\n') },
  ];
}
