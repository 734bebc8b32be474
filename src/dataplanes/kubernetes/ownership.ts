/**
 * Whose an object is and which revision of ours it holds: labels, annotations and managed fields. Revision and content are told
 * apart, so that a higher revision with the same content raises the fence and changes nothing else.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Json, JsonObject } from '../../journal/documents.ts';
import {
  type DesiredObject,
  FIELD_MANAGER,
  type KubernetesObject,
  type ObjectName,
  REMOVING_MANAGER,
  type ResourceKind,
} from './cluster.ts';

/** The version of the service's stream that an object was rendered from. */
const REVISION = 'meshwright.dev/revision';
/** A hash of what was applied: tells a field that we no longer render from one that others put beside ours. */
const CONTENT = 'meshwright.dev/content';

const strings = z.record(z.string(), z.string()).default({});
const renderedSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.strictObject({ name: z.string(), namespace: z.string(), labels: strings, annotations: strings }),
});
const managedSchema = z.array(z.looseObject({ manager: z.string().default(''), fieldsV1: z.record(z.string(), z.unknown()).default({}) }));

/** A rendered object with its stamps. Throws where the renderer made what its room does not list. */
export function stamped(object: JsonObject, revision: number, kinds: readonly ResourceKind[]): DesiredObject {
  const { apiVersion, kind: name, metadata } = renderedSchema.parse(object);
  const kind = kinds.find((each) => each.apiVersion === apiVersion && each.kind === name);
  if (!kind) throw new Error(`${name} of ${apiVersion} is rendered, and not among the kinds of this data plane.`);
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...content } = object;
  return stampedAs({ kind, metadata, content }, revision);
}

export function stampedAs({ kind, metadata, content }: DesiredObject, revision: number): DesiredObject {
  const { [REVISION]: _revision, [CONTENT]: _content, ...annotations } = metadata.annotations;
  const hash = createHash('sha256')
    .update(JSON.stringify([metadata.labels, annotations, content]))
    .digest('hex')
    .slice(0, 16);
  return { kind, metadata: { ...metadata, annotations: { ...annotations, [REVISION]: String(revision), [CONTENT]: hash } }, content };
}

/** 0 where we never applied it. */
export const revisionOf = ({ metadata }: KubernetesObject): number => Number(metadata.annotations[REVISION] ?? 0) || 0;

export function ownerOf({ metadata }: KubernetesObject): { readonly mesh: string; readonly service: string } | undefined {
  const { 'app.kubernetes.io/managed-by': by, 'meshwright.dev/mesh': mesh, 'meshwright.dev/service': service } = metadata.labels;
  return by === FIELD_MANAGER && mesh !== undefined && service !== undefined ? { mesh, service } : undefined;
}

/** Whether there is nothing to write: what was applied last is what is to be, and is still there. */
export const isUpToDate = ({ metadata, content }: DesiredObject, live: KubernetesObject): boolean =>
  holds({ labels: { ...metadata.labels }, annotations: { ...metadata.annotations } }, live.metadata) && holds(content, live);

/** Whether nothing of it is to change but the revision. */
export const saysTheSame = ({ kind, metadata, content }: DesiredObject, live: KubernetesObject): boolean =>
  isUpToDate({ kind, metadata: { ...metadata, annotations: { ...metadata.annotations, ...revisionIn(live) } }, content }, live);

const revisionIn = ({ metadata }: KubernetesObject): Readonly<Record<string, string>> => {
  const revision = metadata.annotations[REVISION];
  return revision === undefined ? {} : { [REVISION]: revision };
};

/** Lists of custom resources are applied whole, so that they are equal or not. */
function holds(desired: Json | undefined, live: unknown): boolean {
  if (!isObject(desired)) return isDeepStrictEqual(live, desired);
  return typeof live === 'object' && live !== null && Object.entries(desired).every(([key, value]) => holds(value, Reflect.get(live, key)));
}

const isObject = (value: Json | undefined): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether another manager put anything into it beside metadata and status. */
export function othersHoldPartOf({ metadata }: KubernetesObject): boolean {
  const managed = managedSchema.safeParse(metadata.managedFields).data ?? [];
  return managed.some(
    ({ manager, fieldsV1 }) =>
      ![FIELD_MANAGER, REMOVING_MANAGER].includes(manager) &&
      Object.keys(fieldsV1).some((field) => !['f:metadata', 'f:status'].includes(field)),
  );
}

export const sameName = (a: ObjectName, b: ObjectName): boolean => a.namespace === b.namespace && a.name === b.name;
