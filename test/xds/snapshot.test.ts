/** What becomes a snapshot: resources that Envoy's own definitions know, that hold together, encoded once. */
import { fromBinary } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import type { EnvoyResource } from '../../src/dataplanes/envoy/resources.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import { buildShared, buildSnapshot } from '../../src/xds/snapshot.ts';
import { testEncoder } from './real-envoy.ts';

const encode = await testEncoder();

const cluster = (name: string, more: JsonObject = {}): EnvoyResource => ({
  type: 'cluster',
  name,
  json: { name, connect_timeout: '1s', ...more },
});
const eds = { type: 'EDS', eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } } };
const assignment = (name: string): EnvoyResource => ({ type: 'endpoints', name, json: { cluster_name: name } });
const route = (action: JsonObject): EnvoyResource => ({
  type: 'route',
  name: 'r',
  json: { name: 'r', virtual_hosts: [{ name: 'h', domains: ['*'], routes: [{ match: { prefix: '/' }, route: action }] }] },
});
const listener = (manager: JsonObject): EnvoyResource => {
  const typed = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 's',
    ...manager,
  };
  return { type: 'listener', name: 'l', json: { name: 'l', filter_chains: [{ filters: [{ name: 'hcm', typed_config: typed }] }] } };
};
const weighted = (first: number, second: number) => ({
  weighted_clusters: {
    clusters: [
      { name: 'a', weight: first },
      { name: 'b', weight: second },
    ],
  },
});
const rds = { rds: { route_config_name: 'r', config_source: { ads: {} } } };

const refusal = (...resources: EnvoyResource[]) => {
  const built = buildShared({ resources, encode });
  return built.ok ? 'accepted' : `${built.reason}: ${built.message}`;
};

describe('a set of resources', () => {
  it('that holds together is taken', () => {
    expect(refusal(cluster('a', eds), assignment('a'), cluster('b'), route(weighted(90, 10)), listener(rds))).toBe('accepted');
  });

  it.each<[string, EnvoyResource[], string]>([
    ['a route to a cluster', [route({ cluster: 'a' })], 'DanglingReference: The route r names the cluster a'],
    ['a weighted cluster', [cluster('a'), route(weighted(90, 10))], 'DanglingReference: The route r names the cluster b'],
    ['a weighted cluster, even at weight 0', [cluster('a'), route(weighted(100, 0))], 'DanglingReference: The route r names the cluster b'],
    [
      'a mirror',
      [cluster('a'), route({ cluster: 'a', request_mirror_policies: [{ cluster: 'm' }] })],
      'DanglingReference: The route r names the cluster m',
    ],
    ['the routes of a listener', [listener(rds)], 'DanglingReference: The listener l names the route r'],
    [
      'a cluster in a listener',
      [
        listener({
          route_config: { virtual_hosts: [{ name: 'h', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'a' } }] }] },
        }),
      ],
      'DanglingReference: The listener l names the cluster a',
    ],
    ['endpoints by the name of the cluster', [cluster('a', eds)], 'DanglingReference: The cluster a names the endpoints a'],
    [
      'endpoints by a name of their own',
      [cluster('a', { type: 'EDS', eds_cluster_config: { service_name: 'x', eds_config: { ads: {} } } }), assignment('a')],
      'DanglingReference: The cluster a names the endpoints x',
    ],
  ])('that lacks %s is refused', (_, resources, message) => {
    expect(refusal(...resources).slice(0, message.length)).toBe(message);
  });

  it.each<[string, EnvoyResource[], string]>([
    ['two of one name', [cluster('a'), cluster('a')], 'DuplicateName: Two resources of type cluster are called a'],
    ['an unknown field', [cluster('a', { conect_timeout: '1s' })], 'InvalidResource: The cluster a is not what Envoy expects: '],
    ['a value of the wrong kind', [cluster('a', { connect_timeout: 5 })], 'InvalidResource: The cluster a is not what Envoy expects: '],
    [
      'an extension that nobody knows',
      [listener({ '@type': 'type.googleapis.com/none.Such' })],
      'InvalidResource: The listener l is not what Envoy expects: ',
    ],
    ['another name inside', [{ ...cluster('a'), name: 'b' }], 'InvalidResource: The cluster "b" calls itself "a"'],
  ])('with %s is refused', (_, resources, message) => {
    expect(refusal(...resources).slice(0, message.length)).toBe(message);
  });

  it('is reached by requests through weights above 0, and not through mirrors', () => {
    const mirroring = route({ ...weighted(100, 0), request_mirror_policies: [{ cluster: 'm' }] });
    const built = buildShared({ resources: [cluster('a'), cluster('b'), cluster('m'), mirroring], encode });
    if (!built.ok) throw new Error(built.message);
    const { clusters, reached } = built.shared.sets.route.resources.get('r')?.references ?? { clusters: new Set(), reached: new Set() };
    expect([[...clusters].sort(), [...reached]]).toEqual([['a', 'b', 'm'], ['a']]);
  });

  it('is encoded as the Any of its message', () => {
    const any = fromBinary(AnySchema, encode(cluster('a')));
    expect(any.typeUrl).toBe('type.googleapis.com/envoy.config.cluster.v3.Cluster');
    // Field 1, the name; then field 4, a Duration whose seconds are 1.
    expect(Buffer.from(any.value).toString('hex')).toBe('0a0161' + '22020801');
  });
});

describe('a snapshot', () => {
  const resources = [cluster('a'), cluster('b'), route(weighted(90, 10))];
  const built = buildShared({ resources, encode });
  if (!built.ok) throw new Error(built.message);
  const { shared } = built;

  it('takes over what has not changed, so that its bytes are shared', () => {
    const next = buildShared({ resources: [cluster('a'), cluster('b'), route(weighted(0, 100))], encode, previous: shared });
    if (!next.ok) throw new Error(next.message);
    expect(next.shared.sets.cluster).toBe(shared.sets.cluster);
    expect(next.shared.sets.route).not.toBe(shared.sets.route);
    expect(next.shared.sets.route.fingerprint).not.toBe(shared.sets.route.fingerprint);
  });

  it('adds what is a node’s own to what all have, and shares the rest', () => {
    const own = buildSnapshot({ sequence: 3, shared, own: [cluster('mine')], encode });
    if (!own.ok) throw new Error(own.message);
    expect([...own.snapshot.sets.cluster.resources.keys()]).toEqual(['a', 'b', 'mine']);
    expect(own.snapshot.sets.route).toBe(shared.sets.route);
    const again = buildSnapshot({ sequence: 4, shared, own: [cluster('mine')], encode, previous: own.snapshot });
    expect(again.ok && again.snapshot.sets.cluster).toBe(own.snapshot.sets.cluster);
  });

  it('refuses what is a node’s own under a name that all have, what dangles, and a sequence that cannot rise', () => {
    expect(buildSnapshot({ sequence: 3, shared, own: [cluster('a')], encode })).toMatchObject({ ok: false, reason: 'DuplicateName' });
    expect(buildSnapshot({ sequence: 3, shared, own: [cluster('mine', eds)], encode })).toMatchObject({
      ok: false,
      reason: 'DanglingReference',
    });
    for (const sequence of [0, -1, 1.5, Number.NaN, 2 ** 53]) {
      expect(buildSnapshot({ sequence, shared, own: [], encode })).toMatchObject({ ok: false, reason: 'InvalidSequence' });
    }
  });
});
