/**
 * The sample mesh as a process of its own: three versions of `catalog`, each behind an Envoy, and a caller behind a
 * fourth, all on loopback. It registers its endpoints with the xds server like any other workload would.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { renderBootstrap } from '../../dataplanes/envoy/bootstrap.ts';
import type { EnvoyNode } from '../../dataplanes/envoy/resources.ts';
import { type Child, startGuarded } from '../child.ts';
import { choosePorts, type Ports } from './ports.ts';
import { startCatalog, startLoad, VERSIONS } from './workload.ts';

const settings = z
  .object({
    envoy: z.string(),
    directory: z.string(),
    portsFile: z.string(),
    logs: z.string(),
    nodeTokenFile: z.string(),
    adsPort: z.int(),
    doorPort: z.int(),
  })
  .parse(JSON.parse(process.argv[2] ?? '{}'));

const MESH = 'playground';
const DATA_PLANE = 'edge';
const LEASE_MS = 15_000;
const LOAD_PER_SECOND = 20;
const LOOPBACK = '127.0.0.1';

const token = (await readFile(settings.nodeTokenFile, 'utf8')).trim();
const { ports, gone } = await choosePorts(settings.portsFile);
const envoys = new Map<string, Child>();
let stopping = false;

await mkdir(settings.directory, { recursive: true });
for (const version of VERSIONS) await startCatalog(version, ports.versions[version].workload);
for (const node of nodesOf(ports)) await keepEnvoy(node);
await register(gone);
setInterval(() => void register([]), LEASE_MS / 3);
const load = startLoad(ports.outbound, LOAD_PER_SECOND);
console.log(JSON.stringify({ outbound: ports.outbound }));

function nodesOf(chosen: Ports): EnvoyNode[] {
  const place = { mesh: MESH, dataPlane: DATA_PLANE };
  const caller: EnvoyNode = { id: 'caller', ...place, outbound: { address: LOOPBACK, port: chosen.outbound } };
  const catalogs = VERSIONS.map((version): EnvoyNode => {
    const { envoy: port, workload: workloadPort } = chosen.versions[version];
    return { id: `catalog-${version}`, ...place, inbound: { service: 'catalog', version, address: LOOPBACK, port, workloadPort } };
  });
  return [caller, ...catalogs];
}

/** Starts it again when it ends before we do. */
async function keepEnvoy(node: EnvoyNode): Promise<void> {
  const file = join(settings.directory, `${node.id}.json`);
  const bootstrap = renderBootstrap({ node, xds: { address: LOOPBACK, port: settings.adsPort }, token });
  await writeFile(file, JSON.stringify(bootstrap, undefined, 2), { mode: 0o600 });
  const start = (): void => {
    const child = startGuarded({
      command: settings.envoy,
      arguments: ['--config-path', file, '--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'warn'],
      logFile: join(settings.logs, `envoy-${node.id}.log`),
    });
    envoys.set(node.id, child);
    void child.ended.then(() => {
      if (!stopping) setTimeout(start, 1_000);
    });
  };
  start();
}

/** All endpoints, every third of their lease: one that gets lost does no harm. */
async function register(left: readonly number[]): Promise<void> {
  const endpoints = VERSIONS.map((version) => ({
    service: 'catalog',
    version,
    address: LOOPBACK,
    port: ports.versions[version].envoy,
    ready: true,
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
  await Promise.all([...envoys.values()].map((envoy) => envoy.stop(3_000)));
  process.exit(0);
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
process.stdin.on('end', stop).resume();
