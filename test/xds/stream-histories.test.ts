/** What one node is sent, whatever is published, refused, delayed, lost or reconnected: against a modelled Envoy. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createContentFor } from '../../src/xds/node-content.ts';
import type { Piece, Resource, Snapshot } from '../../src/xds/snapshot.ts';
import { type AdsStream, createAdsStream, type Step, type StreamFact } from '../../src/xds/stream-state.ts';
import { foundHistories } from './found-histories.ts';
import { type ModelledEnvoy, modelledEnvoy } from './modelled-envoy.ts';
import { arbitraryMesh, encode, goodMesh, isBad, type Mesh, type Service, setOf, snapshotOf } from './modelled-mesh.ts';

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
    for (const fact of step.facts) if (fact.fact === 'served') expectServed(envoy, snapshot, fact.without);
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

/** All that is good is there, and so is what every virtual host but `without` leads to. */
function expectServed(envoy: ModelledEnvoy, snapshot: Snapshot | undefined, without: readonly string[]): void {
  const isThere = ({ type, name, hash }: Resource) => envoy.active[type].get(name)?.hash === hash;
  for (const type of ['cluster', 'endpoints', 'listener'] as const) {
    for (const one of snapshot?.sets[type].resources.values() ?? []) {
      const refused = isBad(one) || (type === 'endpoints' && badClusters(snapshot).has(one.name));
      if (!refused && !isThere(one)) throw new Error(`said to be served, yet the ${type} ${one.name} is not`);
    }
  }
  for (const secret of neededSecrets(snapshot))
    if (!isBad(secret) && !isThere(secret)) throw new Error(`said to be served, yet ${secret.name} is not`);
  for (const piece of hostsOf(snapshot)) {
    const has = envoy.active.route.get('out')?.pieces.some(({ id }) => id === piece.id);
    if (!has && !without.includes(piece.name)) throw new Error(`said to be served, yet the host ${piece.name} is not`);
  }
  expect(without).toEqual(badHosts(snapshot));
}

const neededSecrets = (snapshot: Snapshot | undefined): readonly Resource[] =>
  namesBundle(snapshot) ? [...(snapshot?.sets.secret.resources.values() ?? [])] : [];
const namesBundle = (snapshot: Snapshot | undefined): boolean =>
  [...(snapshot?.sets.cluster.resources.values() ?? []), ...(snapshot?.sets.listener.resources.values() ?? [])].some(
    (one) => !isBad(one) && one.references.secrets.has('bundle'),
  );
const hostsOf = (snapshot: Snapshot | undefined): readonly Piece[] => snapshot?.sets.route.resources.get('out')?.pieces.slice(1) ?? [];

function badClusters(snapshot: Snapshot | undefined): ReadonlySet<string> {
  return new Set([...(snapshot?.sets.cluster.resources.values() ?? [])].filter(isBad).map(({ name }) => name));
}

/** By name: those refused themselves, and those that lead to a refused cluster. */
function badHosts(snapshot: Snapshot | undefined): readonly string[] {
  const clusters = badClusters(snapshot);
  return hostsOf(snapshot)
    .filter((piece) => isBad(piece) || !clusters.isDisjointFrom(piece.reached))
    .map(({ name }) => name)
    .sort();
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

/** As the property takes them. */
const found = foundHistories.map(({ steps, meshes, last }): [readonly Action[], Mesh, boolean] => {
  const published = meshes.values();
  const actions = steps.split(' ').map((step): Action => {
    if (step === 'p') return { do: 'publish', mesh: published.next().value ?? last };
    return { do: step === 'r' ? 'read' : step === 'h' ? 'hear' : 'reconnect' };
  });
  return [actions, last, false];
});

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
        expect([...envoy.active.secret.values()].map(({ hash }) => hash)).toEqual(neededSecrets(snapshot).map(({ hash }) => hash));
        expect(server.facts).toContainEqual({ fact: 'served', sequence: snapshot?.sequence, without: [] });
      }),
      { numRuns: 1000, examples: found },
    );
  });

  it('gets every route that is good and leads to good clusters, however much of the rest it refuses, and is said to lack that rest', () => {
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
        const served = { fact: 'served', sequence: server.snapshot()?.sequence, without: badHosts(server.snapshot()) };
        expect(server.facts.findLast(({ fact }) => fact === 'served')).toEqual(served);
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

describe('a node that refuses what one service has', () => {
  type Change = Partial<Service>;
  const service = (more: Change): Service => ({ weights: { v1: 100 }, badVersions: [], badRoutes: false, revisions: [0, 0, 0], ...more });
  const mesh = (a: Change, b: Change): Mesh => ({ inbound: false, services: { a: service(a), b: service(b) } });
  const newVersion = (weight: number): Change => ({ weights: { v1: 100 - weight, v2: weight }, badVersions: ['v2'] });
  const start = (a: Change, b: Change) => {
    const envoy = modelledEnvoy(isBad, true);
    const server = connection(envoy);
    server.publish(mesh(a, b));
    drain(envoy, server);
    return { envoy, server, served: () => server.facts.findLast(({ fact }) => fact === 'served') };
  };

  it.each([
    ['its routes', { badRoutes: true }],
    ['a cluster that it sends requests to', newVersion(10)],
  ])('goes without that service, be it for %s, and comes to what the others get', (_, bad) => {
    const { envoy, server, served } = start({}, bad);
    expect(served()).toEqual({ fact: 'served', sequence: 1, without: ['b'] });
    server.publish(mesh({ revisions: [1, 1, 1] }, bad));
    drain(envoy, server);
    expect(served()).toEqual({ fact: 'served', sequence: 2, without: ['b'] });
  });

  it('goes without nothing once traffic has gone back from what it refuses', () => {
    const { envoy, server, served } = start({}, newVersion(10));
    server.publish(mesh({}, newVersion(0)));
    drain(envoy, server);
    expect(served()).toEqual({ fact: 'served', sequence: 2, without: [] });
  });

  it.each([
    ['clusters', [1, 0, 0]],
    ['endpoints', [0, 1, 0]],
    ['routes', [0, 0, 1]],
  ] as const)('is not said to serve the %s of another before it has them, nor while they may still be taken away', (_, revisions) => {
    const { envoy, server, served } = start({}, { badRoutes: true });
    server.publish(mesh({ revisions }, { badRoutes: true }));
    expect(served()).toMatchObject({ sequence: 1 });
    server.publish(mesh({}, { badRoutes: true }));
    expect(served()).toMatchObject({ sequence: 1 });
    drain(envoy, server);
    expect(served()).toEqual({ fact: 'served', sequence: 3, without: ['b'] });
  });
});
