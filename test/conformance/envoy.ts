/**
 * A stock Envoy attached to a control plane that is not ours: its bootstrap but for the parts every one needs, and its admin door, from
 * which is read what the control plane has pushed and what Envoy did not take.
 */
import { randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonObject } from '../../src/journal/documents.ts';
import { freePorts, realEnvoy } from '../real-envoy.ts';
import type { Pod } from './network.ts';
import { LOOPBACK, type Running, startingTogether, startServer } from './process.ts';

export interface Envoy extends Running {
  readonly adminPort: number;
  /** What the admin door answers, such as `/config_dump`, `/clusters`, `/certs`. */
  admin(path: string): Promise<string>;
  /** Counters and gauges of a name that matches. */
  stats(filter: RegExp): Promise<ReadonlyMap<string, number>>;
  /** What it holds, as proto JSON with field names in snake case; endpoints included. */
  configDump(): Promise<unknown>;
  log(): Promise<string>;
}

export interface EnvoyOptions {
  readonly name: string;
  /** Of envoy.config.bootstrap.v3.Bootstrap, without `admin`. */
  readonly bootstrap: JsonObject;
  /** Where it runs; beside the test unless given. */
  readonly pod?: Pod;
}

/** Resolves once it is live: it has had its first clusters and listeners, empty or not. */
export async function startEnvoy({ name, bootstrap, pod }: EnvoyOptions): Promise<Envoy> {
  const binary = await realEnvoy();
  if (binary === undefined) throw new Error('There is no Envoy to be had here.');
  return startingTogether(async (started) => {
    const folder = await started.folder('envoy');
    const [port = 0] = await freePorts(1);
    const adminPort = pod === undefined ? port : await pod.reach(port);
    const file = join(folder, 'bootstrap.json');
    const whole = { ...bootstrap, admin: { address: { socket_address: { address: LOOPBACK, port_value: port } } } };
    await writeFile(file, JSON.stringify(whole), { mode: 0o600 });
    const admin = async (path: string): Promise<string> => (await fetch(`http://${LOOPBACK}:${adminPort}${path}`)).text();
    // Old connections close at once when listeners change: tests open one for each request anyway.
    const drain = ['--drain-strategy', 'immediate', '--drain-time-s', '1', '--parent-shutdown-time-s', '2'];
    const argv = ['-c', file, '--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'warn', ...drain];
    const { log } = started.add(
      await startServer({
        name: `envoy-${name}`,
        ...(pod?.inside(binary, argv) ?? { command: binary, arguments: argv }),
        folder,
        ready: async () => (await admin('/ready')).startsWith('LIVE'),
      }),
    );
    return {
      adminPort,
      admin,
      log,
      configDump: async () => JSON.parse(await admin('/config_dump?include_eds')),
      async stats(filter) {
        const lines = (await admin(`/stats?usedonly&filter=${encodeURIComponent(filter.source)}`)).split('\n');
        return new Map(
          lines.map((line) => line.split(': ')).flatMap(([key = '', value]) => (value === undefined ? [] : [[key, Number(value)]])),
        );
      },
    };
  });
}

/** Updates of any type that it has rejected so far. */
export async function rejections(envoy: Envoy): Promise<number> {
  const counts = await envoy.stats(/update_rejected$/);
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

/** An address of 127/8 that nobody else here is likely to use, so that many workloads can listen on one and the same port. Linux only. */
export function loopbackAddress(): string {
  return `127.${randomInt(1, 255)}.${randomInt(0, 255)}.${randomInt(2, 255)}`;
}

/** A static HTTP/2 cluster, as bootstraps name their control plane; plaintext unless `security` has a transport socket. */
export function grpcCluster(name: string, address: string, port: number, security: JsonObject = {}): JsonObject {
  return {
    name,
    type: 'STATIC',
    ...security,
    connect_timeout: '5s',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address, port_value: port } } } }] }],
    },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}
