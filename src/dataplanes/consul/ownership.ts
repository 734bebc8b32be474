/**
 * Whose a config entry is, which revision of ours it holds, and what is written over it. Consul has no owners of fields: entries of
 * ours are told by their `Meta`, and of service-defaults, which a service has for many reasons, only the fields named here are ours.
 */
import { z } from 'zod';
import type { JsonObject } from '../../journal/documents.ts';
import { type Entry, fieldsOf, isObject, isSame, type Kind, MESH, REVISION, SERVICE, without } from './entries.ts';

/** Fields of service-defaults that a plan says something of; `UpstreamConfig` and all others are left as they are found. */
const OUR_DEFAULTS = ['Protocol', 'MutualTLSMode', 'LocalRequestTimeoutMs'];

/** An entry as Consul has it. */
export interface Found {
  readonly index: number;
  readonly meta: Readonly<Record<string, string>>;
  readonly fields: JsonObject;
}

const metaSchema = z.object({ Meta: z.record(z.string(), z.string()).nullish() });

export function found(entry: JsonObject, index: number): Found {
  return { index, meta: metaSchema.parse(entry).Meta ?? {}, fields: fieldsOf(entry) };
}

export type Owner =
  | { readonly kind: 'ours' }
  | { readonly kind: 'another'; readonly mesh: string; readonly service: string }
  /** Written by people or programs that are not meshwright; `controller`: one that would write it again. */
  | { readonly kind: 'stranger'; readonly controller: boolean };

export function ownerOf({ meta }: Found, mesh: string, service: string): Owner {
  const owner = { mesh: meta[MESH], service: meta[SERVICE] };
  if (owner.mesh === undefined || owner.service === undefined)
    return { kind: 'stranger', controller: meta['external-source'] === 'kubernetes' };
  return owner.mesh === mesh && owner.service === service
    ? { kind: 'ours' }
    : { kind: 'another', mesh: owner.mesh, service: owner.service };
}

/** 0 where it carries none. */
export const revisionOf = ({ meta }: Found): number => Number(meta[REVISION] ?? 0) || 0;

/** Not service-defaults: their `Meta` is part of what proxies are made from, and all of the service would be made anew. */
export function stamped(entry: Entry, revision: number): Entry {
  if (entry.kind === 'service-defaults') return entry;
  return { ...entry, meta: { ...entry.meta, [REVISION]: String(revision) } };
}

/** What is to be written: others' `Meta` stays, and so do others' fields of service-defaults. */
export function writtenOver(desired: Entry, live: Found | undefined): Entry {
  if (!live) return desired;
  const kept = desired.kind === 'service-defaults' ? without(live.fields, OUR_DEFAULTS) : {};
  return { ...desired, meta: { ...live.meta, ...desired.meta }, fields: { ...kept, ...desired.fields } };
}

/** A resolver with the subsets that were there too: proxies and entries may still go by them. */
export function widened(desired: Entry, live: Found | undefined): Entry {
  const before = live?.fields.Subsets;
  if (desired.kind !== 'service-resolver' || !isObject(before)) return desired;
  const subsets = isObject(desired.fields.Subsets) ? desired.fields.Subsets : {};
  return { ...desired, fields: { ...desired.fields, Subsets: { ...before, ...subsets } } };
}

/** What in a resolver leads requests; a resolver of ours has none of it, since splitter and router do. */
const LEADS = ['DefaultSubset', 'Redirect', 'Failover'];

export const leadsItself = (live: Found | undefined): boolean => LEADS.some((field) => !isSame(live?.fields[field], undefined));

/** A resolver that leads requests where it did: nothing else does before splitter and router are written. */
export function leadsOn(desired: Entry, live: Found | undefined): Entry {
  if (desired.kind !== 'service-resolver' || !live) return desired;
  const kept = Object.fromEntries(Object.entries(live.fields).filter(([field]) => LEADS.includes(field)));
  return { ...desired, fields: { ...kept, ...desired.fields } };
}

export const isUpToDate = (written: Entry, live: Found): boolean =>
  isSame(written.fields, live.fields) && isSame({ ...written.meta }, { ...live.meta });

/** What is left of an entry of ours without us; `undefined` where nothing is. */
export function leftToOthers(kind: Kind, name: string, live: Found): Entry | undefined {
  const fields = kind === 'service-defaults' ? without(live.fields, OUR_DEFAULTS) : {};
  if (isSame(fields, {})) return undefined;
  const { [MESH]: _mesh, [SERVICE]: _service, [REVISION]: _revision, ...meta } = live.meta;
  return { kind, name, meta, fields };
}
