/** What one node is sent, whatever is published, refused, delayed, lost or reconnected: against a modelled Envoy. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EnvoyResource } from '../../src/dataplanes/envoy/resources.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import { createContentFor } from '../../src/xds/node-content.ts';
import { buildShared, buildSnapshot, type Resource, type Snapshot } from '../../src/xds/snapshot.ts';
import { type AdsStream, createAdsStream, type Step, type StreamFact, type StreamRequest } from '../../src/xds/stream-state.ts';
import { type ModelledEnvoy, modelledEnvoy } from './modelled-envoy.ts';

const setOf = (names: readonly string[]) => new Set(names);
const encode = ({ json }: EnvoyResource) => Buffer.from(JSON.stringify(json));

interface Service {
  /** Weight by version; the versions that exist. */
  readonly weights: Readonly<Record<string, number>>;
  readonly badVersions: readonly string[];
  readonly badRoutes: boolean;
  /** Changes the content of clusters (`connect`), endpoints and routes. */
  readonly revisions: readonly [connect: number, endpoints: number, timeout: number];
}

interface Mesh {
  readonly services: Readonly<Record<string, Service>>;
  readonly inbound: boolean;
}

const arbitraryService: fc.Arbitrary<Service> = fc
  .tuple(
    fc.dictionary(fc.constantFrom('v1', 'v2', 'v3'), fc.constantFrom(0, 10, 100), { minKeys: 1 }),
    fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1)),
    fc.option(fc.constantFrom('v1', 'v2', 'v3'), { freq: 4 }),
    fc.integer({ min: 0, max: 5 }),
  )
  .map(([weights, revisions, bad, routes]) => ({ weights, revisions, badVersions: bad === null ? [] : [bad], badRoutes: routes === 0 }));
const arbitraryMesh: fc.Arbitrary<Mesh> = fc.record({
  services: fc.dictionary(fc.constantFrom('a', 'b', 'c'), arbitraryService),
  inbound: fc.boolean(),
});

function goodMesh({ services, inbound }: Mesh): Mesh {
  return {
    inbound,
    services: Object.fromEntries(
      Object.entries(services).map(([name, service]) => [name, { ...service, badVersions: [], badRoutes: false }]),
    ),
  };
}

function resourcesOf({ services, inbound }: Mesh): readonly EnvoyResource[] {
  const clusters = Object.entries(services).flatMap(([name, { weights, badVersions, revisions }]) =>
    Object.keys(weights).flatMap((version): EnvoyResource[] => {
      const cluster = `${name}.${version}`;
      const timeout = `${badVersions.includes(version) ? -1 : revisions[0]}s`;
      return [
        { type: 'cluster', name: cluster, json: { name: cluster, type: 'EDS', connect_timeout: timeout } },
        { type: 'endpoints', name: cluster, json: { cluster_name: cluster, policy: revisions[1] } },
      ];
    }),
  );
  const hosts = Object.entries(services).map(([name, { weights, badRoutes, revisions }]): JsonObject => {
    const weighted = Object.entries(weights).map(([version, weight]) => ({ name: `${name}.${version}`, weight }));
    return {
      name,
      domains: [name],
      routes: [{ timeout: badRoutes ? -1 : revisions[2], route: { weighted_clusters: { clusters: weighted } } }],
    };
  });
  const local: EnvoyResource[] = [
    { type: 'cluster', name: 'local', json: { name: 'local', type: 'STATIC' } },
    {
      type: 'listener',
      name: 'in',
      json: { name: 'in', route_config: { virtual_hosts: [{ routes: [{ route: { cluster: 'local' } }] }] } },
    },
  ];
  return [
    ...clusters,
    { type: 'listener', name: 'out', json: { name: 'out', rds: { route_config_name: 'out' } } },
    { type: 'route', name: 'out', json: { name: 'out', virtual_hosts: hosts } },
    ...(inbound ? local : []),
  ];
}

const isBad = ({ json }: Resource) => /"(connect_)?timeout":"?-1/.test(JSON.stringify(json));

function snapshotOf(sequence: number, mesh: Mesh, previous?: Snapshot): Snapshot {
  const shared = buildShared({ resources: resourcesOf(mesh), encode, ...(previous ? { previous: previous.shared } : {}) });
  if (!shared.ok) throw new Error(shared.message);
  const built = buildSnapshot({ sequence, shared: shared.shared, own: [], encode });
  if (!built.ok) throw new Error(built.message);
  return built.snapshot;
}

/** One node and the server's side of its stream; `sent` and `facts` are all that ever was. */
function connection(envoy: ModelledEnvoy) {
  const contentFor = createContentFor(encode);
  let stream: AdsStream = createAdsStream(contentFor, setOf);
  let snapshot: Snapshot | undefined;
  const facts: StreamFact[] = [];
  let sent = 0;
  const carryOut = (step: Step) => {
    sent += step.responses.length;
    envoy.inbox.push(...step.responses);
    facts.push(...step.facts);
    if (step.facts.some(({ fact }) => fact === 'served')) expectAllServed(envoy, snapshot);
  };
  envoy.connect();
  return {
    facts,
    sent: () => sent,
    snapshot: () => snapshot,
    publish(mesh: Mesh) {
      snapshot = snapshotOf((snapshot?.sequence ?? 0) + 1, mesh, snapshot);
      carryOut(stream.update(snapshot));
    },
    hear(): boolean {
      const request = envoy.outbox.shift();
      if (request) carryOut(stream.receive(request));
      return request !== undefined;
    },
    reconnect(remembered: boolean) {
      envoy.disconnect();
      stream = remembered ? createAdsStream(contentFor, setOf, stream.remember()) : createAdsStream(contentFor, setOf);
      if (snapshot) carryOut(stream.update(snapshot));
      envoy.connect();
    },
  };
}

type Connection = ReturnType<typeof connection>;

/** Delivers until nothing is under way. That it ends is a property too: no rejection makes a loop. */
function drain(envoy: ModelledEnvoy, server: Connection): void {
  for (let turns = 0; ; turns += 1) {
    if (!envoy.read() && !server.hear()) return;
    expectNothingDangling(envoy);
    if (turns > 2000) throw new Error('never comes to rest');
  }
}

/** What requests can reach through what serves is there, warm. */
function expectNothingDangling(envoy: ModelledEnvoy): void {
  const { cluster, listener, route } = envoy.active;
  for (const one of [...listener.values(), ...route.values()]) {
    for (const name of one.references.reached)
      if (!cluster.has(name)) throw new Error(`${one.name} sends requests to ${name}, which the node does not have`);
  }
}

function expectAllServed(envoy: ModelledEnvoy, snapshot: Snapshot | undefined): void {
  for (const type of ['cluster', 'endpoints', 'listener', 'route'] as const) {
    for (const { name, hash } of snapshot?.sets[type].resources.values() ?? []) {
      if (envoy.active[type].get(name)?.hash !== hash) throw new Error(`said to be served, yet the ${type} ${name} is not`);
    }
  }
}

type Action =
  | { readonly do: 'publish'; readonly mesh: Mesh }
  | { readonly do: 'read' }
  | { readonly do: 'hear' }
  | { readonly do: 'reconnect' };

const arbitraryActions: fc.Arbitrary<readonly Action[]> = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: arbitraryMesh.map((mesh): Action => ({ do: 'publish', mesh })) },
    { weight: 5, arbitrary: fc.constant<Action>({ do: 'read' }) },
    { weight: 5, arbitrary: fc.constant<Action>({ do: 'hear' }) },
    { weight: 1, arbitrary: fc.constant<Action>({ do: 'reconnect' }) },
  ),
  { maxLength: 60, size: 'max' },
);

function act(actions: readonly Action[], envoy: ModelledEnvoy, server: Connection): void {
  for (const action of actions) {
    if (action.do === 'publish') server.publish(action.mesh);
    if (action.do === 'read') envoy.read();
    if (action.do === 'hear') server.hear();
    if (action.do === 'reconnect') server.reconnect(true);
    expectNothingDangling(envoy);
  }
}

const contents = (resources: ReadonlyMap<string, Resource>) => Object.fromEntries([...resources].map(([name, { json }]) => [name, json]));

describe('a node, whatever happens on the way', () => {
  it('never serves a route to a cluster that it does not have, and ends at the newest snapshot, the unused gone', () => {
    fc.assert(
      fc.property(arbitraryActions, arbitraryMesh, fc.boolean(), (actions, last, names) => {
        const envoy = modelledEnvoy(isBad, names);
        const server = connection(envoy);
        act(actions, envoy, server);
        server.publish(goodMesh(last));
        drain(envoy, server);
        const snapshot = server.snapshot();
        for (const type of ['cluster', 'endpoints', 'listener', 'route'] as const) {
          expect(contents(envoy.active[type]), type).toEqual(contents(snapshot?.sets[type].resources ?? new Map()));
        }
        expect(server.facts).toContainEqual({ fact: 'served', sequence: snapshot?.sequence });
      }),
      { numRuns: 1000 },
    );
  });

  it('gets every route that is good and leads to good clusters, however much of the rest it refuses', () => {
    fc.assert(
      fc.property(arbitraryActions, arbitraryMesh, fc.boolean(), (actions, last, names) => {
        const envoy = modelledEnvoy(isBad, names);
        const server = connection(envoy);
        act(actions, envoy, server);
        server.publish(last);
        drain(envoy, server);
        const hosts = envoy.active.route.get('out')?.pieces ?? [];
        for (const piece of server.snapshot()?.sets.route.resources.get('out')?.pieces.slice(1) ?? []) {
          const service = last.services[piece.name];
          const good =
            !service?.badRoutes &&
            Object.entries(service?.weights ?? {}).every(([version, weight]) => weight === 0 || !service?.badVersions.includes(version));
          if (good) expect(hosts.find((host) => host.name === piece.name)?.json, piece.name).toEqual(piece.json);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('is sent nothing when it comes back to what it left, and the newest when that has changed', () => {
    fc.assert(
      fc.property(arbitraryMesh, arbitraryMesh, (first, second) => {
        const envoy = modelledEnvoy(isBad, true);
        const server = connection(envoy);
        server.publish(goodMesh(first));
        drain(envoy, server);
        const sent = server.sent();
        server.reconnect(true);
        drain(envoy, server);
        expect(server.sent()).toBe(sent);
        server.reconnect(true);
        server.publish(goodMesh(second));
        drain(envoy, server);
        expect(contents(envoy.active.route)).toEqual(contents(server.snapshot()?.sets.route.resources ?? new Map()));
      }),
    );
  });

  it('is brought to the newest by a server that has never seen it, and loses no cluster that it uses to a refusal', () => {
    fc.assert(
      fc.property(arbitraryMesh, arbitraryMesh, fc.boolean(), (first, second, names) => {
        const envoy = modelledEnvoy(isBad, names);
        const before = connection(envoy);
        before.publish(goodMesh(first));
        drain(envoy, before);
        // The same services and versions, so that it is the refusal and not the snapshot which would take clusters away.
        const services = Object.entries(first.services).map(([name, service]) => [
          name,
          { ...service, ...second.services[name], weights: service.weights },
        ]);
        before.publish({ ...first, services: Object.fromEntries(services) });
        before.reconnect(false);
        drain(envoy, before);
        expect(envoy.active.route.get('out')?.pieces.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(first.services)));
        before.publish({ ...goodMesh(first), inbound: true });
        drain(envoy, before);
        expect(contents(envoy.active.route)).toEqual(contents(before.snapshot()?.sets.route.resources ?? new Map()));
        expect(contents(envoy.active.cluster)).toEqual(contents(before.snapshot()?.sets.cluster.resources ?? new Map()));
      }),
    );
  });
});

describe('one stream', () => {
  const one = (weights: Service['weights']): Mesh => ({
    inbound: false,
    services: { a: { weights, badVersions: [], badRoutes: false, revisions: [0, 0, 0] } },
  });
  const first = snapshotOf(5, one({ v1: 100 }));
  const second = snapshotOf(6, one({ v1: 100, v2: 0 }), first);
  const ask = (type: StreamRequest['type'], more: Partial<StreamRequest> = {}): StreamRequest => ({
    type,
    version: '',
    nonce: '',
    names: [],
    ...more,
  });
  const answered = (stream: AdsStream, { responses }: Step, names: readonly string[] = []): Step => {
    const last = responses.at(-1);
    if (!last) throw new Error('nothing was sent');
    return stream.receive(ask(last.type, { version: last.version, nonce: last.nonce, names }));
  };
  const start = () => {
    const stream = createAdsStream(createContentFor(encode), setOf);
    stream.update(first);
    return stream;
  };

  it('gives a response the sequence as its version and, at the same content, the same nonce on every stream', () => {
    const [response] = start().receive(ask('cluster')).responses;
    expect(response).toMatchObject({ type: 'cluster', version: '5' });
    expect(start().receive(ask('cluster')).responses[0]?.nonce).toBe(response?.nonce);
  });

  it('passes over what answers an older response: the names it holds are of before', () => {
    const mesh = (weight: number, revision: number): Mesh => ({
      inbound: false,
      services: { a: { weights: { v1: weight }, badVersions: [], badRoutes: false, revisions: [0, revision, 0] } },
    });
    const stream = start();
    const names = ['a.v1'];
    answered(stream, stream.receive(ask('cluster')));
    const old = stream.receive(ask('endpoints', { names }));
    answered(stream, old, names);
    answered(stream, stream.receive(ask('listener')));
    answered(stream, stream.receive(ask('route', { names: ['out'] })), ['out']);
    expect(stream.update(snapshotOf(7, mesh(100, 1), first)).responses).toMatchObject([{ type: 'endpoints' }]);
    const late = ask('endpoints', { version: '5', nonce: old.responses[0]?.nonce ?? '', names: ['a.v0'] });
    expect(stream.receive(late)).toEqual({ responses: [], facts: [] });
    expect(stream.update(snapshotOf(8, mesh(10, 1), first)).responses).toMatchObject([{ type: 'route' }]);
  });

  it('skips to the newest when several snapshots came before an answer, and never back', () => {
    const stream = start();
    const sent = stream.receive(ask('cluster'));
    expect(stream.update(second).responses).toEqual([]);
    expect(stream.update(snapshotOf(9, one({ v3: 100 }))).responses).toEqual([]);
    expect(stream.update(second).responses).toEqual([]);
    expect(answered(stream, sent).responses).toMatchObject([{ type: 'cluster', version: '9' }]);
  });

  it('sends again what was asked for no more and then is', () => {
    const stream = start();
    answered(stream, stream.receive(ask('cluster')));
    const names = ['a.v1'];
    const sent = stream.receive(ask('endpoints', { names }));
    const nonce = sent.responses[0]?.nonce ?? '';
    expect(answered(stream, sent, names).responses).toEqual([]);
    expect(stream.receive(ask('endpoints', { version: '5', nonce })).responses).toEqual([]);
    expect(stream.receive(ask('endpoints', { version: '5', nonce, names })).responses).toMatchObject([
      { type: 'endpoints', nonce: `${nonce}-again` },
    ]);
  });
});
