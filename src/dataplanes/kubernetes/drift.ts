/**
 * How the objects of a service on an API server differ from what is rendered: what is rendered, and what others have put into
 * its `spec` beside that; what the server defaults is none. Who changed a field is whoever owns it now.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Json, JsonObject } from '../../journal/documents.ts';
import type { Difference } from '../../reconcile/data-plane.ts';
import { type FieldPath, pathText, valuesOf } from '../field-text.ts';
import { type Bringing, look, writtenByAnother } from './apply.ts';
import { fieldsBeside } from './beside.ts';
import { type Cluster, type DesiredObject, type KubernetesObject, nameOf, type ResourceKind } from './cluster.ts';
import { otherAuthorOf, otherOwnerOf } from './managed-fields.ts';
import { ownerOf } from './ownership.ts';

/** What `stamped` adds tells revisions apart and means nothing. */
const STAMPS = 'meshwright.dev/';

/** Of a service that is at rest. Throws where it cannot be read: `ClusterUnavailable`, or an Error with what the server refused. */
export async function storedDrift(cluster: Cluster, bringing: Bringing): Promise<readonly Difference[]> {
  const found = await look(cluster, bringing);
  if (found.kind === 'refused') throw new Error(found.message);
  if (found.kind === 'overtaken') return [{ kind: 'foreign', resource: bringing.service, message: writtenByAnother(bringing.service) }];
  return [
    ...found.pairs.flatMap(({ desired, live }) => differencesOf(desired, live, bringing)),
    ...found.leftOver.map(({ kind, object }): Difference => {
      const by = otherAuthorOf(object);
      return { kind: 'left-over', resource: nameOf(kind, object.metadata), ...(by ? { by } : {}) };
    }),
  ];
}

export type Foreign = Extract<Difference, { kind: 'foreign' }>;

/** Something of others that changes what ours means. */
export function foreign(kind: ResourceKind, object: KubernetesObject, message: string): Foreign {
  const by = otherAuthorOf(object);
  return { kind: 'foreign', resource: nameOf(kind, object.metadata), message, ...(by ? { by } : {}) };
}

function differencesOf(
  desired: DesiredObject,
  live: KubernetesObject | undefined,
  { mesh, service, force }: Bringing,
): readonly Difference[] {
  const resource = nameOf(desired.kind, desired.metadata);
  if (!live) return [{ kind: 'missing', resource }];
  const { labels, annotations } = desired.metadata;
  const owner = ownerOf(live);
  if (owner && (owner.mesh !== mesh || owner.service !== service)) {
    const message = `${resource} says that it is of ${owner.service} in mesh ${owner.mesh}; give one of them another name or namespace.`;
    return [{ kind: 'foreign', resource, message }];
  }
  const ours = Object.fromEntries(Object.entries(annotations).filter(([key]) => !key.startsWith(STAMPS)));
  const isOthers = (path: FieldPath): boolean => otherOwnerOf(live, path) !== undefined;
  const wanted: JsonObject = { metadata: { labels: { ...labels }, annotations: ours }, ...desired.content };
  const other = changes(wanted, live, [], isOthers);
  const changed = other.map(({ path, ...values }): Difference => {
    const by = otherOwnerOf(live, path);
    return { kind: 'changed', resource, path: pathText(path), ...values, ...(by ? { by } : {}), restorable: force || by === undefined };
  });
  const isToldAlready = (path: FieldPath): boolean => other.some((each) => each.path.every((segment, index) => segment === path[index]));
  const added = fieldsBeside(desired, live).filter(({ path }) => !isToldAlready(path));
  const beside = added.map(({ path, value, by }): Difference => {
    return { kind: 'changed', resource, path: pathText(path), ...valuesOf(undefined, value), by, restorable: force };
  });
  return [...changed, ...beside];
}

interface Change {
  readonly path: FieldPath;
  readonly wanted?: string;
  readonly found?: string;
}

/** Where `live` is other than wanted. What is more in it counts only inside a list that `isOthers`: what is ours the server may default. */
function changes(wanted: Json | undefined, live: unknown, path: FieldPath, isOthers: (path: FieldPath) => boolean): readonly Change[] {
  if (Array.isArray(wanted) && Array.isArray(live) && wanted.length === live.length) {
    return wanted.flatMap((item, index) => changes(item, live[index], [...path, index], isOthers));
  }
  if (isObject(wanted) && isObject(live)) {
    const inner = Object.entries(wanted).flatMap(([key, value]) => changes(value, live[key], [...path, key], isOthers));
    const inList = path.some((segment) => typeof segment === 'number');
    const added = Object.keys(live).filter((key) => inList && !(key in wanted) && isOthers([...path, key]));
    return [...inner, ...added.map((key): Change => ({ path: [...path, key], ...valuesOf(undefined, live[key]) }))];
  }
  if (wanted === undefined || isDeepStrictEqual(wanted, live)) return [];
  return [{ path, ...valuesOf(wanted, live) }];
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
