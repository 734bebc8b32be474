/**
 * The sample mesh as a process of its own: three versions of `catalog`, each behind an Envoy, and a caller behind a
 * fourth, all on loopback, each with an agent that keeps its certificate. It registers its endpoints with the xds server like any
 * other workload would.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { renderBootstrap } from '../../dataplanes/envoy/bootstrap.ts';
import type { EnvoyNode } from '../../dataplanes/envoy/resources.ts';
import { type Child, startGuarded } from '../child.ts';
import { type IdentityOptions, identityDirectory, startAgent, type Workload } from './identities.ts';
import { choosePorts, type Ports } from './ports.ts';
import { startCatalog, startLoad, VERSIONS } from './workload.ts';

const settings = z
  .object({
    envoy: z.string(),
    directory: z.string(),
    portsFile: z.string(),
    logs: z.string(),
    nodeTokenFile: z.string(),
    tokenFile: z.string(),
    functionsUrl: z.string(),
    agent: z.string(),
    adsPort: z.int(),
    doorPort: z.int(),
  })
  .parse(JSON.parse(process.argv[2] ?? '{}'));

const MESH = 'playground';
const DATA_PLANE = 'edge';
const LEASE_MS = 15_000;
const LOAD_PER_SECOND = 20;
const REVIVE_MS = 1_000;
const LOOPBACK = '127.0.0.1';

const token = (await readFile(settings.nodeTokenFile, 'utf8')).trim();
const { ports, gone } = await choosePorts(settings.portsFile);
const children = new Map<string, Child>();
const identities: IdentityOptions = {
  ...settings,
  token: (await readFile(settings.tokenFile, 'utf8')).trim(),
};
let stopping = false;
let mtls = false;

await mkdir(settings.directory, { recursive: true });
for (const version of VERSIONS) await startCatalog(version, ports.versions[version].workload);
await Promise.all(workloadsOf(ports).map(keepWorkload));
await register(gone);
setInterval(() => void register([]), LEASE_MS / 3);
const load = startLoad(ports.outbound, LOAD_PER_SECOND);
console.log(JSON.stringify({ outbound: ports.outbound }));

function workloadsOf(chosen: Ports): Workload[] {
  const place = { mesh: MESH, dataPlane: DATA_PLANE };
  const caller: EnvoyNode = { id: 'caller', ...place, outbound: { address: LOOPBACK, port: chosen.outbound } };
  const catalogs = VERSIONS.map((version): Workload => {
    const { envoy: port, workload: workloadPort, admin: adminPort } = chosen.versions[version];
    const inbound = { service: 'catalog', version, address: LOOPBACK, port, workloadPort };
    return { node: { id: `catalog-${version}`, ...place, inbound }, serviceAccount: 'catalog', adminPort };
  });
  return [{ node: caller, serviceAccount: 'caller', adminPort: chosen.admin }, ...catalogs];
}

/** An agent and an Envoy, each started again when it ends before we do. An Envoy with an identity begins with its first leaf. */
async function keepWorkload(workload: Workload): Promise<void> {
  const { id } = workload.node;
  const agent = await startAgent(identities, workload);
  if (agent) {
    mtls = true;
    keep(`agent-${id}`, agent, () => startAgent(identities, workload));
  }
  const node = agent ? { ...workload.node, identity: { directory: identityDirectory(identities, workload) } } : workload.node;
  const file = join(settings.directory, `${id}.json`);
  const xds = { address: LOOPBACK, port: settings.adsPort };
  const bootstrap = renderBootstrap({ node, xds, token, admin: { address: LOOPBACK, port: workload.adminPort } });
  await writeFile(file, JSON.stringify(bootstrap, undefined, 2), { mode: 0o600 });
  const startEnvoy = async (): Promise<Child> =>
    startGuarded({
      command: settings.envoy,
      arguments: ['--config-path', file, '--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'warn'],
      logFile: join(settings.logs, `envoy-${id}.log`),
    });
  keep(`envoy-${id}`, await startEnvoy(), startEnvoy);
}

function keep(name: string, child: Child, again: () => Promise<Child | undefined>): void {
  children.set(name, child);
  void child.ended.then(async () => {
    while (!stopping) {
      await new Promise((resolve) => setTimeout(resolve, REVIVE_MS));
      try {
        const next = stopping ? undefined : await again();
        if (next) keep(name, next, again);
        return;
      } catch (error) {
        console.error(`${name} could not be started again; it is tried each second.`, error);
      }
    }
  });
}

/** All endpoints, every third of their lease: one that gets lost does no harm. */
async function register(left: readonly number[]): Promise<void> {
  const endpoints = VERSIONS.map((version) => ({
    service: 'catalog',
    version,
    address: LOOPBACK,
    port: ports.versions[version].envoy,
    ready: true,
    ...(mtls ? { mtls } : {}),
  }));
  const body = { mesh: MESH, dataPlane: DATA_PLANE, leaseMs: LEASE_MS, endpoints, gone: left.map((port) => ({ address: LOOPBACK, port })) };
  try {
    const response = await fetch(`http://${LOOPBACK}:${settings.doorPort}/endpoints`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(3_000),
    });
    if (!response.ok) console.error(`The endpoints were not registered: ${await response.text()}`);
  } catch (error) {
    console.error('The xds server could not be reached; the endpoints are registered again in five seconds.', error);
  }
}

async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  load.stop();
  await Promise.all([...children.values()].map((child) => child.stop(3_000)));
  process.exit(0);
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
process.stdin.on('end', stop).resume();
