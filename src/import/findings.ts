/**
 * What becomes of everything that is imported, field by field: nothing is passed over without a line. `reading` reads an object by
 * its schema and says of every field that the schema does not have that it was not understood.
 */
import { z } from 'zod';
import type { Fields, SourceObject } from './objects.ts';

/** `question`: people have to say something that the objects do not. */
export const OUTCOMES = ['imported', 'approximated', 'not-imported', 'question'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface Finding {
  readonly object: SourceObject;
  readonly outcome: Outcome;
  /** The service of the spec it is about. */
  readonly service?: string;
  /** The field of that service's spec, such as `routes.beta.retries`. */
  readonly into?: string;
  /** The place in the object, such as `spec.http[0].retries`. */
  readonly field?: string;
  /** How the meaning changes, why it is left out, or what is asked. */
  readonly message?: string;
  /** It says who may call whom: nobody may overlook it. */
  readonly security?: boolean;
}

export type Say = (object: SourceObject, outcome: Outcome, about: Omit<Finding, 'object' | 'outcome'>) => void;

/** The object's `spec` as the schema has it; `undefined`, and said, when it is not of that form. */
export function reading<Spec>(say: Say, object: SourceObject, schema: z.ZodType<Spec>): Spec | undefined {
  const parsed = schema.safeParse(object.spec);
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues.slice(0, 5))
      say(object, 'not-imported', { field: placeOf(['spec', ...path]), message: `it is not of the form known here: ${message}` });
    return undefined;
  }
  for (const field of unread(object.spec, parsed.data, 'spec'))
    say(object, 'not-imported', { field, message: 'a spec does not say this, and nothing of it is imported' });
  return parsed.data;
}

const fieldsSchema: z.ZodType<Fields> = z.record(z.string(), z.unknown());

/** The shortest paths of `raw` that are not in what was read of it. */
export function unread(raw: unknown, read: unknown, path: string): readonly string[] {
  if (Array.isArray(raw)) {
    if (!Array.isArray(read)) return read === undefined ? [path] : [];
    return raw.flatMap((each, index) => unread(each, read[index], `${path}[${index}]`));
  }
  const [before, after] = [fieldsSchema.safeParse(raw), fieldsSchema.safeParse(read)];
  if (!before.success) return read === undefined && raw !== null ? [path] : [];
  if (!after.success) return read === undefined ? [path] : [];
  return Object.entries(before.data).flatMap(([key, value]) =>
    value === null || value === undefined
      ? []
      : Object.hasOwn(after.data, key)
        ? unread(value, after.data[key], `${path}.${key}`)
        : [`${path}.${key}`],
  );
}

export const placeOf = (path: readonly PropertyKey[]): string =>
  path.map((segment, index) => (typeof segment === 'number' ? `[${segment}]` : `${index === 0 ? '' : '.'}${String(segment)}`)).join('');
