/**
 * Consul's config entries, as its HTTP API takes and gives them (`/v1/config`): the kinds that a service is rendered to, in the
 * order in which they are written, and their stamps of ours in `Meta`. Format: hashicorp/consul `agent/structs/config_entry*.go`.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Json, JsonObject } from '../../journal/documents.ts';

/**
 * Each is written before those that need it: L7 intentions and routes need the protocol, splitters and routers the subsets. The
 * resolver is the first that carries a revision, and so the fence.
 */
export const KINDS = ['service-resolver', 'service-defaults', 'service-intentions', 'service-splitter', 'service-router'] as const;
export type Kind = (typeof KINDS)[number];

export const MESH = 'meshwright/mesh';
export const SERVICE = 'meshwright/service';
/** The version of the service's stream that an entry was rendered from. */
export const REVISION = 'meshwright/revision';

/** `fields`: all but `Kind`, `Name` and `Meta`, under Consul's names. */
export interface Entry {
  readonly kind: Kind;
  readonly name: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly fields: JsonObject;
}

/** What `PUT /v1/config` takes. */
export function entryJson({ kind, name, meta, fields }: Entry): JsonObject {
  return { Kind: kind, Name: name, ...fields, Meta: { ...meta } };
}

/** Go's own spelling (`time.Duration.String`), so that what Consul gives back can be compared. */
export function goDuration(ms: number): string {
  if (ms < 1000) return `${ms}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = `${(ms % 60_000) / 1000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

const SERVERS_OWN = ['Kind', 'Name', 'Meta', 'Hash', 'CreateIndex', 'ModifyIndex', 'Namespace', 'Partition'];
/** Consul works these out for each source of an intention. */
const WORKED_OUT = ['Precedence', 'Type'];

/** The `fields` of an entry that Consul answered with: without what is its own. */
export function fieldsOf(answered: JsonObject): JsonObject {
  const { Sources, ...others } = without(answered, SERVERS_OWN);
  return Array.isArray(Sources)
    ? { ...others, Sources: Sources.map((each) => (isObject(each) ? without(each, WORKED_OUT) : each)) }
    : others;
}

/** Whether they mean the same to Consul, which leaves out of its answers what is empty, 0 or false. */
export const isSame = (a: Json | undefined, b: Json | undefined): boolean => isDeepStrictEqual(compact(a), compact(b));

export function without(object: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function compact(value: Json | undefined): Json | undefined {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((each) => compact(each) ?? {});
  if (!isObject(value)) return value || undefined;
  const entries = Object.entries(value).flatMap(([key, inner]) => {
    const left = compact(inner);
    return left === undefined ? [] : [[key, left] as const];
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
