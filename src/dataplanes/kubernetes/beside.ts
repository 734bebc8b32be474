/**
 * What others have put into the `spec` of an object beside what is rendered. There is one rule, whatever the field: the `spec` of an object
 * that meshwright writes is meshwright's alone, since a selector, a port or a list of gateways more changes what all the rest means.
 */
import { z } from 'zod';
import type { Json } from '../../journal/documents.ts';
import type { Author } from '../../reconcile/data-plane.ts';
import { type FieldPath, pathText } from '../field-text.ts';
import { type DesiredObject, type KubernetesObject, nameOf } from './cluster.ts';
import { type Fields, fieldsOfOthers } from './managed-fields.ts';

export interface FieldBeside {
  /** Where it is in the object as it is. */
  readonly path: FieldPath;
  readonly value: unknown;
  readonly by: Author;
}

const keySchema = z.record(z.string(), z.json());

/** Fields that others own and we don't render, each once, by whoever wrote it last; what the server defaults is nobody's. */
export function fieldsBeside({ content }: DesiredObject, live: KubernetesObject): readonly FieldBeside[] {
  const found = fieldsOfOthers(live).flatMap(({ author, fields }) => {
    // An object of which we write nothing but metadata is its owner's: a service's own Service.
    const within = Object.entries(fields).filter(([key]) => key.startsWith('f:') && key.slice(2) in content);
    return besideIn(Object.fromEntries(within), content, live, []).map(({ path, value }): FieldBeside => ({ path, value, by: author }));
  });
  return [...new Map(found.toReversed().map((each) => [JSON.stringify(each.path), each])).values()];
}

type Place = Pick<FieldBeside, 'path' | 'value'>;

function besideIn(fields: Fields, wanted: Json | undefined, live: unknown, path: FieldPath): readonly Place[] {
  return Object.entries(fields).flatMap(([key, inner]) => {
    const segment = placeOf(key, live);
    const value = segment === undefined ? undefined : valueAt(live, segment);
    if (segment === undefined || value === undefined) return [];
    const here = [...path, segment];
    const rendered = renderedAt(key, wanted);
    if (rendered === undefined) return [{ path: here, value }];
    // A list or a member that is owned whole is either as we say, or a conflict that the server finds.
    return besideIn(inner, rendered, value, here);
  });
}

/** The name of a member, or the place of an item that is known by its keys; nothing for what says no more than "it is there". */
function placeOf(key: string, live: unknown): string | number | undefined {
  if (key.startsWith('f:')) return key.slice(2);
  const item = itemOf(key);
  if (item === undefined || !Array.isArray(live)) return undefined;
  const index = live.findIndex((each: unknown) => item(each));
  return index === -1 ? undefined : index;
}

function renderedAt(key: string, wanted: Json | undefined): Json | undefined {
  if (key.startsWith('f:')) return isObject(wanted) ? wanted[key.slice(2)] : undefined;
  const item = itemOf(key);
  return item && Array.isArray(wanted) ? wanted.find((each) => item(each)) : undefined;
}

/** `k:{"port":80,"protocol":"TCP"}` and `v:"a"` of FieldsV1. */
function itemOf(key: string): ((item: unknown) => boolean) | undefined {
  if (key.startsWith('v:')) return (item) => JSON.stringify(item) === key.slice(2);
  if (!key.startsWith('k:')) return undefined;
  const keys = Object.entries(keySchema.parse(JSON.parse(key.slice(2))));
  return (item) => keys.every(([name, value]) => valueAt(item, name) === value);
}

const valueAt = (value: unknown, segment: string | number): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, segment) : undefined;

const isObject = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Why it is not written as long as they stand. */
export function besideMessage({ kind, metadata }: DesiredObject, fields: readonly FieldBeside[]): string {
  const byManager = Map.groupBy(fields, ({ by }) => by.manager);
  const whose = [...byManager].map(([manager, theirs]) => `${manager} has put ${theirs.map(({ path }) => pathText(path)).join(', ')}`);
  return `${whose.join('; ')} into ${nameOf(kind, metadata)}, beside what meshwright writes there, and what that means is no longer what the spec says. Have it taken out, or tell meshwright to take it out (\`takeOver: true\` of the data plane).`;
}
