/**
 * Envoy's side of state-of-the-world ADS, modelled after what 1.40 was seen to do: it applies the good clusters of a
 * rejected response and names the bad, answers for clusters once they are warm (endpoints and secrets there), takes a route
 * configuration or a secret whole or not at all, asks by name for what its clusters and listeners refer to. What nobody
 * names any more is gone. Everything is kept in
 * queues, so that a test decides what arrives when.
 */
import type { EnvoyResourceType } from '../../src/dataplanes/envoy/resources.ts';
import type { Resource } from '../../src/xds/snapshot.ts';
import type { StreamRequest, StreamResponse } from '../../src/xds/stream-state.ts';

type Named = 'endpoints' | 'route' | 'secret';

export interface ModelledEnvoy {
  /** What it has not read yet. */
  readonly inbox: StreamResponse[];
  /** What the server has not read yet. */
  readonly outbox: StreamRequest[];
  readonly active: Readonly<Record<EnvoyResourceType, Map<string, Resource>>>;
  readonly rejections: number;
  connect(): void;
  disconnect(): void;
  /** Reads one response; false if there is none. */
  read(): boolean;
}

/** `names`: whether its rejections say which cluster or listener was bad. */
export function modelledEnvoy(isBad: (resource: Resource) => boolean, names: boolean): ModelledEnvoy {
  const active = {
    cluster: new Map<string, Resource>(),
    endpoints: new Map<string, Resource>(),
    listener: new Map<string, Resource>(),
    route: new Map<string, Resource>(),
    secret: new Map<string, Resource>(),
  };
  /** Secrets that came, be they refused: nothing waits for them any more. */
  const settled = new Set<string>();
  const warming = { cluster: new Map<string, Resource>(), listener: new Map<string, Resource>() };
  const inbox: StreamResponse[] = [];
  const outbox: StreamRequest[] = [];
  const version: Record<EnvoyResourceType, string> = { cluster: '', endpoints: '', listener: '', route: '', secret: '' };
  const nonce: Record<EnvoyResourceType, string> = { cluster: '', endpoints: '', listener: '', route: '', secret: '' };
  const asked: Record<Named, readonly string[]> = { endpoints: [], route: [], secret: [] };
  /** By hash: those warming clusters that wait for secrets alone. */
  const endpointsCame = new Set<string>();
  const hasSecrets = ({ references }: Resource) => [...references.secrets].every((name) => settled.has(name));
  let heldAnswer: StreamRequest | undefined;
  let rejections = 0;

  const namesOf = (type: EnvoyResourceType): readonly string[] => (type === 'cluster' || type === 'listener' ? [] : asked[type]);
  const request = (type: EnvoyResourceType, rejection?: string): StreamRequest => ({
    type,
    version: version[type],
    nonce: nonce[type],
    names: namesOf(type),
    ...(rejection === undefined ? {} : { rejection }),
  });

  function subscribe(type: Named, wanted: ReadonlySet<string>): void {
    if (wanted.size === asked[type].length && asked[type].every((name) => wanted.has(name))) return;
    asked[type] = [...wanted].sort();
    for (const name of active[type].keys()) if (!wanted.has(name)) active[type].delete(name);
    outbox.push(request(type));
  }

  function read(): boolean {
    const response = inbox.shift();
    if (!response) return false;
    const { type, set } = response;
    nonce[type] = response.nonce;
    const resources = [...set.resources.values()];
    const bad = resources.filter(isBad);
    const wholly = type !== 'cluster' && type !== 'listener';
    if (bad.length > 0) rejections += 1;
    else version[type] = response.version;

    if (type === 'cluster')
      replace(
        'cluster',
        resources.filter((one) => !isBad(one)),
        set.resources,
      );
    if (type === 'listener')
      replace(
        'listener',
        resources.filter((one) => !isBad(one)),
        set.resources,
      );
    if (type === 'secret') for (const one of resources) if (asked.secret.includes(one.name)) settled.add(one.name);
    if (wholly && bad.length === 0) for (const one of resources) if (asked[type].includes(one.name)) active[type].set(one.name, one);

    const answer = () =>
      request(type, bad.length === 0 ? undefined : `Error adding: ${names ? bad.map(({ name }) => name).join(': no, ') : 'no'}`);
    settle(type);
    if (type === 'cluster' && warming.cluster.size > 0) heldAnswer = answer();
    else outbox.push(answer());
    const assignments = [...active.cluster.values(), ...warming.cluster.values()].flatMap(({ assignment }) =>
      assignment === undefined ? [] : [assignment],
    );
    subscribe('endpoints', new Set(assignments));
    subscribe(
      'route',
      new Set([...active.listener.values(), ...warming.listener.values()].flatMap(({ references }) => [...references.routes])),
    );
    const named = secretsNamed();
    for (const name of settled) if (!named.has(name)) forget(name);
    subscribe('secret', named);
    return true;
  }

  function secretsNamed(): ReadonlySet<string> {
    const users = [active.cluster, warming.cluster, active.listener, warming.listener].flatMap((each) => [...each.values()]);
    return new Set(users.flatMap(({ references }) => [...references.secrets]));
  }

  /** New and changed ones are warmed first; the ones of before serve meanwhile. */
  function replace(type: 'cluster' | 'listener', good: readonly Resource[], all: ReadonlyMap<string, Resource>): void {
    for (const name of [...active[type].keys(), ...warming[type].keys()]) {
      if (all.has(name)) continue;
      active[type].delete(name);
      warming[type].delete(name);
    }
    for (const one of good) {
      if (active[type].get(one.name)?.hash === one.hash) warming[type].delete(one.name);
      else if (warming[type].get(one.name)?.hash !== one.hash) warming[type].set(one.name, one);
    }
  }

  function forget(secret: string): void {
    settled.delete(secret);
    active.secret.delete(secret);
  }

  /** What was waited for: endpoints have to come after the change of their cluster; routes that are there are shared. */
  function settle(arrived: EnvoyResourceType): void {
    for (const [name, one] of warming.cluster) {
      const assigned = one.assignment === undefined || (arrived === 'endpoints' && active.endpoints.has(one.assignment));
      if (assigned) endpointsCame.add(one.hash);
      if (!endpointsCame.has(one.hash) || !hasSecrets(one)) continue;
      endpointsCame.delete(one.hash);
      warming.cluster.delete(name);
      active.cluster.set(name, one);
    }
    for (const [name, one] of warming.listener) {
      if (![...one.references.routes].every((route) => active.route.has(route)) || !hasSecrets(one)) continue;
      warming.listener.delete(name);
      active.listener.set(name, one);
    }
    if (warming.cluster.size === 0 && heldAnswer) {
      outbox.push({ ...heldAnswer, version: version.cluster, nonce: nonce.cluster });
      heldAnswer = undefined;
    }
  }

  return {
    inbox,
    outbox,
    active,
    get rejections() {
      return rejections;
    },
    connect() {
      for (const type of ['cluster', 'endpoints', 'listener', 'route', 'secret'] as const) {
        nonce[type] = '';
        if (type === 'cluster' || type === 'listener' || asked[type].length > 0) outbox.push(request(type));
      }
    },
    disconnect() {
      inbox.length = 0;
      outbox.length = 0;
      heldAnswer = undefined;
    },
    read,
  };
}
