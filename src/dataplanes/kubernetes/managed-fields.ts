/**
 * Who owns a field of an object, and since when, read from `metadata.managedFields`. Format: `FieldsV1` of meta/v1
 * (sigs.k8s.io/structured-merge-diff, value `fieldpath`): `f:<name>` a member, `k:`, `v:` and `i:` an item of a list; `{}` ends a path, and a
 * list that is owned whole ends at its own name.
 */
import { z } from 'zod';
import type { Author } from '../../reconcile/data-plane.ts';
import type { FieldPath } from '../field-text.ts';
import { FIELD_MANAGER, type KubernetesObject, REMOVING_MANAGER } from './cluster.ts';

const fieldsSchema = z.record(z.string(), z.unknown());
const entrySchema = z.looseObject({
  manager: z.string().default(''),
  operation: z.string().exactOptional(),
  time: z.string().exactOptional(),
  fieldsV1: fieldsSchema.default({}),
});
const managedSchema = z.array(entrySchema);
type Entry = z.infer<typeof entrySchema>;

/** The last who wrote this field, or a list or member it is part of, and is not meshwright. */
export function otherOwnerOf(object: KubernetesObject, path: FieldPath): Author | undefined {
  return newestOf(entriesOf(object).filter((entry) => !isOurs(entry) && owns(entry.fieldsV1, path)));
}

/** The last who wrote anything into it, and is not meshwright. */
export const otherAuthorOf = (object: KubernetesObject): Author | undefined =>
  newestOf(entriesOf(object).filter((entry) => !isOurs(entry)));

/** Epoch ms, in whole seconds: when its fields were changed last, by whomever; `undefined`: that is not told. */
export function lastWrittenAt(object: KubernetesObject): number | undefined {
  const times = entriesOf(object).map(({ time = '' }) => Date.parse(time));
  return times.length > 0 && times.every(Number.isFinite) ? Math.max(...times) : undefined;
}

/** Names of fields to what is owned of each. */
export interface Fields {
  readonly [name: string]: Fields;
}
const ownedSchema: z.ZodType<Fields> = z.record(
  z.string(),
  z.lazy(() => ownedSchema),
);

/** What each of the others owns, whoever wrote last first. */
export const fieldsOfOthers = (object: KubernetesObject): readonly { readonly author: Author; readonly fields: Fields }[] =>
  newestFirst(entriesOf(object).filter((entry) => !isOurs(entry))).map((entry) => ({
    author: authorOf(entry),
    fields: ownedSchema.parse(entry.fieldsV1),
  }));

const entriesOf = ({ metadata }: KubernetesObject): readonly Entry[] => managedSchema.safeParse(metadata.managedFields).data ?? [];

/** Whoever uses our name for anything but an apply is somebody else. */
const isOurs = ({ manager, operation }: Entry): boolean =>
  manager === REMOVING_MANAGER || (manager === FIELD_MANAGER && operation === 'Apply');

const newestOf = (entries: readonly Entry[]): Author | undefined => newestFirst(entries).map(authorOf)[0];

const newestFirst = (entries: readonly Entry[]): readonly Entry[] => entries.toSorted((a, b) => ((a.time ?? '') > (b.time ?? '') ? -1 : 1));

function authorOf({ manager, operation, time }: Entry): Author {
  const at = time === undefined ? Number.NaN : Date.parse(time);
  return {
    manager: manager === '' ? 'an unnamed manager' : manager,
    ...(operation === undefined ? {} : { operation }),
    ...(Number.isNaN(at) ? {} : { at }),
  };
}

/** Items of lists are known by their keys and not by their places: who owns one counts as an owner of all. */
function owns(fields: Readonly<Record<string, unknown>>, [segment, ...rest]: FieldPath): boolean {
  if (segment === undefined) return true;
  const items = Object.entries(fields).filter(([key]) => (typeof segment === 'number' ? /^[kvi]:/.test(key) : key === `f:${segment}`));
  return items.some(([, inner]) => {
    const below = fieldsSchema.safeParse(inner).data ?? {};
    return Object.keys(below).length === 0 || owns(below, rest);
  });
}
