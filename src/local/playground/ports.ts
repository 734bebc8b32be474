/** The sample mesh's ports on loopback: chosen once, kept over restarts while they are free, so that endpoints stay where they were. */
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { z } from 'zod';
import { VERSIONS, type Version } from './workload.ts';

const pair = z.object({ envoy: z.int(), workload: z.int(), admin: z.int() });
const portsSchema = z.object({ outbound: z.int(), admin: z.int(), versions: z.object({ v1: pair, v2: pair, 'v2-broken': pair }) });
export type Ports = z.infer<typeof portsSchema>;

/** `gone`: ports of an earlier start that are somebody else's now. */
export async function choosePorts(file: string): Promise<{ readonly ports: Ports; readonly gone: readonly number[] }> {
  const kept = await readKept(file);
  if (kept && (await allFree(kept))) return { ports: kept, gone: [] };
  const versions = { v1: await freePair(), v2: await freePair(), 'v2-broken': await freePair() } satisfies Record<
    Version,
    z.infer<typeof pair>
  >;
  const ports: Ports = { outbound: await freePort(), admin: await freePort(), versions };
  await writeFile(file, JSON.stringify(ports, undefined, 2));
  return { ports, gone: kept ? VERSIONS.map((version) => kept.versions[version].envoy) : [] };
}

async function readKept(file: string): Promise<Ports | undefined> {
  try {
    return portsSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return undefined;
  }
}

async function allFree(ports: Ports): Promise<boolean> {
  const all = [ports.outbound, ports.admin, ...VERSIONS.flatMap((version) => Object.values(ports.versions[version]))];
  return (await Promise.all(all.map(isFree))).every(Boolean);
}

const freePair = async () => ({ envoy: await freePort(), workload: await freePort(), admin: await freePort() });

/** On 127.0.0.1. */
export const isFree = (port: number): Promise<boolean> =>
  listen(port).then(
    () => true,
    () => false,
  );

const freePort = (): Promise<number> => listen(0);

function listen(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const bound = server.address();
      server.close(() => (bound && typeof bound === 'object' ? resolve(bound.port) : reject(new Error('no port'))));
    });
  });
}
