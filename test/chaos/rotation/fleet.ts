/**
 * A fleet for rotations: three services of two workloads each, each workload behind an Envoy with the shipped agent beside it, strict mTLS
 * between all of them and a fresh connection for every request, on both hops. Leafs live 20 seconds.
 */
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { renderBootstrap } from '../../../src/dataplanes/envoy/bootstrap.ts';
import type { EnvoyNode } from '../../../src/dataplanes/envoy/resources.ts';
import { type Child, startGuarded, startProgram } from '../../../src/local/child.ts';
import { DIST, type Installation } from '../../e2e/installation.ts';
import { ask } from '../../e2e/traffic.ts';
import { until } from '../../e2e/until.ts';
import { freePorts } from '../../real-envoy.ts';

const LOOPBACK = '127.0.0.1';
export const MESH = 'shop';
export const TRUST_DOMAIN = 'shop.example';
const DATA_PLANE = 'edge';
const LEASE_MS = 9_000;
export const SERVICES = ['catalog', 'orders', 'users'] as const;
const REPLICAS = 2;

export interface Workload {
  readonly node: string;
  readonly service: string;
  /** Where its own calls go in. */
  readonly outbound: number;
  /** Where calls of others come in, with mTLS. */
  readonly inbound: number;
  readonly agent: { kill(): Promise<void>; start(): Promise<void> };
}

export interface Fleet {
  readonly workloads: readonly Workload[];
  stop(): Promise<void>;
}

const meshFile = `apiVersion: meshwright.dev/v1
kind: Mesh
name: ${MESH}
trustDomain: ${TRUST_DOMAIN}
mtls: strict
dataPlanes: [{ name: ${DATA_PLANE}, kind: envoy }]
certificates: { leafLife: 20s, issuerLife: 1d, rootLife: 30d, attest: [join] }
`;
const serviceFile = (name: string): string => `apiVersion: meshwright.dev/v1
kind: Service
name: ${name}
namespace: shop
port: 8080
stable: v1
allow: [${SERVICES.join(', ')}]
circuitBreaker: { maxRequestsPerConnection: 1 }
retries: { attempts: 0 }
`;

const madeSchema = z.object({ token: z.string() });

/** Functions and xds must be running. Resolves when every workload is answered by every service. */
export async function startFleet(installation: Installation, envoy: string): Promise<Fleet> {
  const { directory, ports } = installation;
  const undo: (() => Promise<unknown>)[] = [];
  const files = [{ path: 'mesh.yaml', text: meshFile }, ...SERVICES.map((name) => ({ path: `${name}.yaml`, text: serviceFile(name) }))];
  const applied = await installation.call('POST', '/apply', { files });
  if (applied.status !== 200) throw new Error(`The spec was not adopted: ${JSON.stringify(applied.body)}`);
  await mkdir(join(directory.path, 'fleet'), { recursive: true });

  async function joinToken(serviceAccount: string): Promise<string> {
    return until('a join token is made', async () => {
      const made = await installation.call('POST', `/meshes/${MESH}/join-tokens`, { namespace: 'shop', serviceAccount });
      return made.status === 200 && madeSchema.parse(made.body).token;
    });
  }

  async function startWorkload(service: string, replica: number): Promise<Workload> {
    const id = `${service}-${replica}`;
    const [outbound = 0, inbound = 0, admin = 0, workloadPort = 0] = await freePorts(4);
    const backend = createServer((_request, response) => {
      response.writeHead(200, { 'x-version': 'v1' }).end(id);
    });
    backend.listen(workloadPort, LOOPBACK);
    await once(backend, 'listening');
    undo.push(async () => {
      backend.closeAllConnections();
      await once(backend.close(), 'close');
    });

    const identity = join(directory.path, 'fleet', id);
    const token = join(directory.path, 'fleet', `${id}.join`);
    await writeFile(token, await joinToken(service), { mode: 0o600 });
    const startAgent = (): Child =>
      startProgram({
        command: process.execPath,
        arguments: ['--no-warnings', join(DIST, 'agent', 'main.js')],
        environment: {
          MESHWRIGHT_URL: `http://${LOOPBACK}:${ports.functions}`,
          MESHWRIGHT_MESH: MESH,
          MESHWRIGHT_DATA_PLANE: DATA_PLANE,
          MESHWRIGHT_NODE: id,
          MESHWRIGHT_IDENTITY_DIRECTORY: identity,
          MESHWRIGHT_JOIN_TOKEN_FILE: token,
          MESHWRIGHT_ENVOY_ADMIN: `http://${LOOPBACK}:${admin}`,
          MESHWRIGHT_XDS_URL: `http://${LOOPBACK}:${ports.door}`,
          MESHWRIGHT_NODE_TOKEN_FILE: directory.nodeTokenFile,
        },
        logFile: join(directory.logs, `agent-${id}.log`),
      });
    let agent = startAgent();
    undo.push(() => agent.stop());
    await until(`${id} has its first leaf`, () => leafIn(identity));

    const node: EnvoyNode = {
      id,
      mesh: MESH,
      dataPlane: DATA_PLANE,
      outbound: { address: LOOPBACK, port: outbound },
      inbound: { service: `${service}.shop`, version: 'v1', address: LOOPBACK, port: inbound, workloadPort },
      identity: { directory: identity },
    };
    const file = join(directory.path, 'fleet', `${id}.json`);
    const bootstrap = renderBootstrap({
      node,
      xds: { address: LOOPBACK, port: ports.ads },
      token: installation.nodeToken,
      admin: { address: LOOPBACK, port: admin },
    });
    await writeFile(file, JSON.stringify(bootstrap), { mode: 0o600 });
    const proxy = startGuarded({
      command: envoy,
      arguments: ['--config-path', file, '--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'warn'],
      logFile: join(directory.logs, `envoy-${id}.log`),
    });
    undo.push(() => proxy.stop());
    return {
      node: id,
      service,
      outbound,
      inbound,
      agent: {
        async kill() {
          agent.process.kill('SIGKILL');
          await agent.ended;
        },
        async start() {
          agent = startAgent();
        },
      },
    };
  }

  const places = SERVICES.flatMap((service) => Array.from({ length: REPLICAS }, (_, index) => ({ service, replica: index + 1 })));
  const workloads = await Promise.all(places.map(({ service, replica }) => startWorkload(service, replica)));
  const register = async (): Promise<void> => {
    const endpoints = workloads.map(({ service, inbound }) => ({
      service: `${service}.shop`,
      version: 'v1',
      address: LOOPBACK,
      port: inbound,
      mtls: true,
    }));
    const response = await fetch(`http://${LOOPBACK}:${ports.door}/endpoints`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${installation.nodeToken}` },
      body: JSON.stringify({ mesh: MESH, dataPlane: DATA_PLANE, leaseMs: LEASE_MS, endpoints }),
      signal: AbortSignal.timeout(3_000),
    });
    if (!response.ok) throw new Error(`The endpoints were not registered: ${await response.text()}`);
  };
  await register();
  // While the xds server is away nobody hears it, and the next renewal says all of it again.
  const renewal = setInterval(() => void register().catch(() => undefined), LEASE_MS / 3);
  undo.push(async () => clearInterval(renewal));
  for (const { outbound, node } of workloads) {
    for (const service of SERVICES) {
      await until(
        `${node} is answered by ${service}`,
        async () => 'version' in (await ask({ port: outbound, host: `${service}.shop` })),
        60_000,
      );
    }
  }
  return {
    workloads,
    async stop() {
      for (const step of undo.splice(0).reverse()) await step();
    },
  };
}

async function leafIn(directory: string): Promise<boolean> {
  const { access } = await import('node:fs/promises');
  return access(join(directory, 'default.yaml')).then(
    () => true,
    () => false,
  );
}
