/**
 * A snapshot: all resources of one configuration at one sequence, encoded once and checked against each other. Nothing
 * that names what isn't there becomes a snapshot (route -> cluster included), so what is served holds together.
 * Unchanged resources and sets are the previous snapshot's own objects: comparing is `===`, and bytes are shared.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { EnvoyResource, EnvoyResourceType } from '../dataplanes/envoy/resources.ts';
import type { JsonObject } from '../journal/documents.ts';
import { type EncodeResource, resourceTypes } from './protobuf.ts';
import { assignmentNameOf, isList, isObject, type References, referencesOf, together } from './references.ts';

export interface Resource {
  readonly type: EnvoyResourceType;
  readonly name: string;
  readonly json: JsonObject;
  /** The encoded `google.protobuf.Any`. */
  readonly bytes: Uint8Array;
  /** Of the bytes. */
  readonly hash: string;
  readonly references: References;
  /** For an EDS cluster: the name of its load assignment. */
  readonly assignment?: string;
  /** What a node can be given or spared on its own: a route configuration's frame (first) and virtual hosts; else the whole. */
  readonly pieces: readonly Piece[];
}

export interface Piece {
  /** The same for the same content in the same place. */
  readonly id: string;
  /** Of the virtual host; empty for a frame and a whole resource. */
  readonly name: string;
  readonly json: JsonObject;
  /** The clusters that requests can reach through it. */
  readonly reached: ReadonlySet<string>;
}

/** Resources of one type by name. The fingerprint is the same for the same names and contents. */
export interface ResourceSet {
  readonly fingerprint: string;
  readonly resources: ReadonlyMap<string, Resource>;
}

export type ResourceSets = Readonly<Record<EnvoyResourceType, ResourceSet>>;

/** What many nodes are served alike: encoded and checked once, whatever the number of nodes. */
export interface SharedResources {
  readonly sets: ResourceSets;
  readonly namesSecrets: boolean;
}

export interface Snapshot {
  /** Rises with every change of content, for ever: across restarts and replicas too. */
  readonly sequence: number;
  readonly sets: ResourceSets;
  /** Whether a node comes to use them; they are there for one that used them before, too. */
  readonly needsSecrets: boolean;
  readonly shared: SharedResources;
}

export interface SnapshotRefusal {
  readonly ok: false;
  readonly reason: 'InvalidSequence' | 'InvalidResource' | 'DuplicateName' | 'DanglingReference';
  readonly message: string;
}

/** `previous`: the last ones of the same kind; what has not changed is taken over from them. They must hold together alone. */
export function buildShared(input: {
  readonly resources: readonly EnvoyResource[];
  readonly encode: EncodeResource;
  readonly previous?: SharedResources;
  /** Encoded already. */
  readonly secrets?: ResourceSet;
}): { readonly ok: true; readonly shared: SharedResources } | SnapshotRefusal {
  const taken = takeAll(input.resources, input.encode, input.previous?.sets);
  if ('ok' in taken) return taken;
  const own = eachType((type) => resourceSet(taken[type], input.previous?.sets[type]));
  const sets = input.secrets ? { ...own, secret: input.secrets } : own;
  return danglingReference(taken, sets) ?? { ok: true, shared: { sets, namesSecrets: namesSecrets(taken) } };
}

/** `own`: what only this node gets beside the shared resources. `previous`: the last snapshot of the same node. */
export function buildSnapshot(input: {
  readonly sequence: number;
  readonly shared: SharedResources;
  readonly own: readonly EnvoyResource[];
  readonly encode: EncodeResource;
  readonly previous?: Snapshot;
  readonly secrets?: ResourceSet;
}): { readonly ok: true; readonly snapshot: Snapshot } | SnapshotRefusal {
  const { sequence, shared, own, encode, previous, secrets } = input;
  if (!Number.isSafeInteger(sequence) || sequence < 1) {
    return refuse('InvalidSequence', `The sequence is ${sequence}; give a whole number above 0.`);
  }
  for (const { type, name } of own) if (shared.sets[type].resources.has(name)) return duplicate(type, name);
  const taken = takeAll(own, encode, previous?.sets);
  if ('ok' in taken) return taken;
  const all = eachType((type) => {
    if (taken[type].size === 0) return shared.sets[type];
    return resourceSet(new Map([...shared.sets[type].resources, ...taken[type]]), previous?.sets[type]);
  });
  const sets = secrets ? { ...all, secret: secrets } : all;
  const needsSecrets = shared.namesSecrets || namesSecrets(taken);
  return danglingReference(taken, sets) ?? { ok: true, snapshot: { sequence, sets, needsSecrets, shared } };
}

function eachType<T>(make: (type: EnvoyResourceType) => T): Record<EnvoyResourceType, T> {
  return {
    cluster: make('cluster'),
    endpoints: make('endpoints'),
    listener: make('listener'),
    route: make('route'),
    secret: make('secret'),
  };
}

function namesSecrets({ cluster, listener }: Taken): boolean {
  return [cluster, listener].some((taken) => [...taken.values()].some(({ references }) => references.secrets.size > 0));
}

/** By type and name. */
type Taken = Readonly<Record<EnvoyResourceType, ReadonlyMap<string, Resource>>>;

function takeAll(resources: readonly EnvoyResource[], encode: EncodeResource, previous: ResourceSets | undefined): Taken | SnapshotRefusal {
  const taken = eachType(() => new Map<string, Resource>());
  for (const resource of resources) {
    const { type, name, json } = resource;
    if (taken[type].has(name)) return duplicate(type, name);
    const known = previous?.[type].resources.get(name);
    const one = known && sameJson(known.json, json) ? known : encodeResource(resource, encode);
    if ('ok' in one) return one;
    taken[type].set(name, one);
  }
  return taken;
}

function duplicate(type: EnvoyResourceType, name: string): SnapshotRefusal {
  return refuse('DuplicateName', `Two resources of type ${type} are called ${name}; give each its own name.`);
}

/** `like` is given back if it holds the same. */
export function resourceSet(resources: ReadonlyMap<string, Resource>, like?: ResourceSet): ResourceSet {
  if (like && sameResources(like.resources, resources)) return like;
  const hash = createHash('sha256');
  for (const name of [...resources.keys()].sort()) hash.update(`${name}\0${resources.get(name)?.hash}\0`);
  return { fingerprint: hash.digest('hex').slice(0, 16), resources };
}

export const emptySet: ResourceSet = resourceSet(new Map());

/** Encodes and reads a resource; the refusal says what is wrong with it. */
export function encodeResource(resource: EnvoyResource, encode: EncodeResource): Resource | SnapshotRefusal {
  const { type, name, json } = resource;
  const ownName = type === 'endpoints' ? json.cluster_name : json.name;
  if (ownName !== name || name === '') {
    return refuse('InvalidResource', `The ${type} ${JSON.stringify(name)} calls itself ${JSON.stringify(ownName)}; give it one name.`);
  }
  let bytes: Uint8Array;
  try {
    bytes = encode(resource);
  } catch (error) {
    return refuse(
      'InvalidResource',
      `The ${type} ${name} is not what Envoy expects: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
  const assignment = type === 'cluster' ? assignmentNameOf(resource) : undefined;
  const hash = hashOf(bytes);
  const parts = type === 'route' ? partsOfRoute(name, json) : undefined;
  const references = parts ? together(parts.map((part) => part.references)) : referencesOf(json);
  const whole: Piece = { id: `${name}//${hash}`, name: '', json, reached: references.reached };
  const pieces = parts?.map(({ piece }) => piece) ?? [whole];
  return { type, name, json, bytes, hash, references, pieces, ...(assignment === undefined ? {} : { assignment }) };
}

interface Part {
  readonly piece: Piece;
  readonly references: References;
}

/** By part and route configuration: a virtual host that stays is not read again. */
const partsRead = new WeakMap<JsonObject, Map<string, Part>>();

/** The frame first, then the virtual hosts. */
function partsOfRoute(route: string, json: JsonObject): readonly Part[] {
  const { virtual_hosts: hosts, ...frame } = json;
  const parts = hosts !== undefined && isList(hosts) ? [frame, ...hosts.filter(isObject)] : [frame];
  return parts.map((part, index) => {
    const known = partsRead.get(part)?.get(route);
    if (known) return known;
    const name = index > 0 && typeof part.name === 'string' ? part.name : '';
    const references = referencesOf(part);
    const piece = { id: `${route}/${name}/${hashOf(JSON.stringify(part))}`, name, json: part, reached: references.reached };
    const read = { piece, references };
    const byRoute = partsRead.get(part);
    if (byRoute) byRoute.set(route, read);
    else partsRead.set(part, new Map([[route, read]]));
    return read;
  });
}

function danglingReference(taken: Taken, sets: ResourceSets): SnapshotRefusal | undefined {
  for (const type of resourceTypes) {
    for (const resource of taken[type].values()) {
      const missing = missingFor(resource, sets);
      if (missing === undefined) continue;
      const [wanted, wantedName] = missing;
      return refuse(
        'DanglingReference',
        `The ${type} ${resource.name} names the ${wanted} ${wantedName}, which is not there; add it or drop the reference.`,
      );
    }
  }
  return undefined;
}

function missingFor({ references, assignment }: Resource, sets: ResourceSets): readonly [EnvoyResourceType, string] | undefined {
  for (const cluster of references.clusters) if (!sets.cluster.resources.has(cluster)) return ['cluster', cluster];
  for (const route of references.routes) if (!sets.route.resources.has(route)) return ['route', route];
  for (const secret of references.secrets) if (!sets.secret.resources.has(secret)) return ['secret', secret];
  return assignment === undefined || sets.endpoints.resources.has(assignment) ? undefined : ['endpoints', assignment];
}

function sameJson(one: JsonObject, other: JsonObject): boolean {
  // Parts that are the same objects are not looked into.
  return one === other || isDeepStrictEqual(one, other);
}

function sameResources(one: ReadonlyMap<string, Resource>, other: ReadonlyMap<string, Resource>): boolean {
  if (one.size !== other.size) return false;
  for (const [name, resource] of other) {
    const known = one.get(name);
    if (known !== resource && known?.hash !== resource.hash) return false;
  }
  return true;
}

function hashOf(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 24);
}

function refuse(reason: SnapshotRefusal['reason'], message: string): SnapshotRefusal {
  return { ok: false, reason, message };
}
