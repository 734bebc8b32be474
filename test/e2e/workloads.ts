/**
 * What an installation serves: backends of `catalog` that count their requests, each behind an Envoy of its own or bare,
 * registered under leases that are renewed; and callers' Envoys. All with the bootstraps and the door that users have.
 */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { renderBootstrap } from '../../src/dataplanes/envoy/bootstrap.ts';
import type { EnvoyNode } from '../../src/dataplanes/envoy/resources.ts';
import { type Child, startGuarded } from '../../src/local/child.ts';
import { freePorts } from '../real-envoy.ts';
import type { Installation } from './installation.ts';
import { ask } from './traffic.ts';
import { until } from './until.ts';

const LOOPBACK = '127.0.0.1';
export const MESH = 'shop';
const DATA_PLANE = 'edge';

export interface Backend {
  readonly version: string;
  /** What is registered: the backend's own port, or that of the Envoy in front of it. */
  readonly port: number;
  /** Requests that have reached it. */
  served: number;
}

export interface Workloads {
  /** `behindEnvoy`: its requests pass an inbound Envoy. `broken`: every second answer is a 500. */
  backend(version: string, options?: { behindEnvoy?: boolean; broken?: boolean }): Promise<Backend>;
  /** Registers the backends, and goes on registering them; none stops it. Rejects when the first registration is refused. */
  register(backends: readonly Backend[]): Promise<void>;
  /** An Envoy to call through; resolves with its port once a request to `catalog` is answered. */
  caller(id: string): Promise<number>;
  stop(): Promise<void>;
}

/** `leaseMs` of every registration; renewed each third of it. */
export function startWorkloads(installation: Installation, envoy: string, leaseMs = 3_000): Workloads {
  const { ports, directory } = installation;
  const undo: (() => Promise<unknown>)[] = [];
  let registered: readonly Backend[] = [];

  async function startEnvoy(id: string, own: Pick<EnvoyNode, 'inbound' | 'outbound'>): Promise<void> {
    const file = join(directory.path, `${id}.json`);
    const node: EnvoyNode = { id, mesh: MESH, dataPlane: DATA_PLANE, ...own };
    const bootstrap = renderBootstrap({ node, xds: { address: LOOPBACK, port: ports.ads }, token: installation.nodeToken });
    await writeFile(file, JSON.stringify(bootstrap), { mode: 0o600 });
    const child: Child = startGuarded({
      command: envoy,
      arguments: ['--config-path', file, '--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'warn'],
      logFile: join(directory.logs, `envoy-${id}.log`),
    });
    undo.push(() => child.stop());
  }

  async function send(): Promise<void> {
    const endpoints = registered.map(({ version, port }) => ({ service: 'catalog', version, address: LOOPBACK, port }));
    const response = await fetch(`http://${LOOPBACK}:${ports.door}/endpoints`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${installation.nodeToken}` },
      body: JSON.stringify({ mesh: MESH, dataPlane: DATA_PLANE, leaseMs, endpoints }),
      signal: AbortSignal.timeout(3_000),
    });
    if (!response.ok) throw new Error(`The endpoints were not registered: ${await response.text()}`);
  }

  // While the xds server is away nobody hears it, and the next renewal says all of it again.
  const renewal = setInterval(() => void (registered.length > 0 && send().catch(() => undefined)), leaseMs / 3);
  undo.push(async () => clearInterval(renewal));

  return {
    async backend(version, { behindEnvoy = false, broken = false } = {}) {
      const [workloadPort = 0, envoyPort = 0] = await freePorts(2);
      const backend: Backend = { version, port: behindEnvoy ? envoyPort : workloadPort, served: 0 };
      const server = createServer((_request, response) => {
        backend.served += 1;
        response.writeHead(broken && backend.served % 2 === 0 ? 500 : 200, { 'x-version': version }).end(version);
      });
      server.listen(workloadPort, LOOPBACK);
      await once(server, 'listening');
      undo.push(async () => {
        server.closeAllConnections();
        await once(server.close(), 'close');
      });
      const inbound = { service: 'catalog', version, address: LOOPBACK, port: envoyPort, workloadPort };
      if (behindEnvoy) await startEnvoy(`catalog-${version}`, { inbound });
      return backend;
    },

    async register(backends) {
      registered = backends;
      if (backends.length > 0) await send();
    },

    async caller(id) {
      const [port = 0] = await freePorts(1);
      await startEnvoy(id, { outbound: { address: LOOPBACK, port } });
      await until(`catalog answers through ${id}`, async () => 'version' in (await ask(port)));
      return port;
    },

    async stop() {
      for (const step of undo.splice(0).reverse()) await step();
    },
  };
}
