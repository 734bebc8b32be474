/**
 * The server's process in `fanout.ts`: the ADS server with 100 clusters of 2 endpoints and 100 virtual hosts with 2
 * weighted clusters, one snapshot for all. Told over IPC to publish the next sequence; says when all have it, and its memory.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { EnvoyResource } from '../src/dataplanes/envoy/resources.ts';
import { startAdsServer } from '../src/xds/ads-server.ts';
import { loadEncoder } from '../src/xds/protobuf.ts';
import { keepHeapSmall } from '../src/xds/small-heap.ts';
import { buildShared, buildSnapshot, type SharedResources, type Snapshot } from '../src/xds/snapshot.ts';

const size = 100;
const [nodes, descriptors] = z.tuple([z.coerce.number(), z.string()]).parse(process.argv.slice(2));
const adsSource = { ads: {}, resource_api_version: 'V3' };
keepHeapSmall();
const encode = loadEncoder(await readFile(descriptors));
let shared: SharedResources | undefined;
let snapshot: Snapshot | undefined;
let served = 0;

function resources(weight: number): readonly EnvoyResource[] {
  const clusters = Array.from({ length: size }, (_, index): EnvoyResource[] => {
    const name = `service-${index}`;
    const endpoints = [1, 2].map((host) => ({
      endpoint: { address: { socket_address: { address: `10.0.${index}.${host}`, port_value: 8080 } } },
    }));
    return [
      { type: 'cluster', name, json: { name, type: 'EDS', connect_timeout: '1s', eds_cluster_config: { eds_config: adsSource } } },
      { type: 'endpoints', name, json: { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] } },
    ];
  });
  const hosts = Array.from({ length: size }, (_, index) => {
    const split = [
      { name: `service-${index}`, weight },
      { name: `service-${(index + 1) % size}`, weight: 100 - weight },
    ];
    const name = `host-${index}`;
    return { name, domains: [`${name}.example`], routes: [{ match: { prefix: '/' }, route: { weighted_clusters: { clusters: split } } }] };
  });
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'outbound',
    rds: { route_config_name: 'outbound', config_source: adsSource },
  };
  const chain = { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] };
  const address = { socket_address: { address: '127.0.0.1', port_value: 15001 } };
  return [
    ...clusters.flat(),
    { type: 'listener', name: 'outbound', json: { name: 'outbound', address, filter_chains: [chain] } },
    { type: 'route', name: 'outbound', json: { name: 'outbound', virtual_hosts: hosts } },
  ];
}

function build(sequence: number): void {
  const built = buildShared({ resources: resources(sequence % 100), encode, ...(shared ? { previous: shared } : {}) });
  if (!built.ok) throw new Error(built.message);
  shared = built.shared;
  const next = buildSnapshot({ sequence, shared, own: [], encode });
  if (!next.ok) throw new Error(next.message);
  snapshot = next.snapshot;
}

build(1);
const server = await startAdsServer({
  address: { host: '127.0.0.1', port: 0 },
  encode,
  snapshotFor: () => snapshot,
  onNode: (_, event) => {
    if (event.fact !== 'served' || event.sequence !== snapshot?.sequence) return;
    served += 1;
    if (served === nodes) process.send?.({ rss: process.memoryUsage.rss() });
  },
});
process.send?.({ port: server.port });

const commandSchema = z.object({ publish: z.number() });
process.on('message', (message) => {
  const command = commandSchema.parse(message);
  served = 0;
  build(command.publish);
  server.publish();
});
process.on('disconnect', () => process.exit(0));
