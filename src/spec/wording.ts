/**
 * What is wrong with a spec file, in words a person can act on. Schemas say what only they know; everything that zod would
 * say of itself is worded here. Values are not repeated, except short ones that a choice was made of: they may be secrets.
 */
import type { z } from 'zod';
import { knownKeys } from './json-schema.ts';
import { nearest } from './nearest.ts';

export interface Complaint {
  readonly path: readonly PropertyKey[];
  /** Set when the complaint is about the key itself, below `path`. */
  readonly key?: string;
  readonly message: string;
}

const TYPES: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: '`true` or `false`',
  int: 'a whole number',
  number: 'a number',
  object: 'a group of fields',
  record: 'a group of fields',
  string: 'a text',
};

/** For zod's parse parameters: words the issues that no schema words itself. */
export function wordIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? `this field is needed: give ${typeName(issue.expected)}` : `give ${typeName(issue.expected)} here`;
    case 'invalid_value':
      return wordChoice(issue.values.map(String), issue.input);
    case 'invalid_union':
      return issue.input === undefined ? 'this field is needed' : 'this has the wrong form';
    case 'too_small':
      return wordLimit(issue.origin, 'at least', issue.minimum);
    case 'too_big':
      return wordLimit(issue.origin, 'at most', issue.maximum);
    default:
      return undefined;
  }
}

function typeName(expected: string): string {
  return TYPES[expected] ?? expected;
}

function wordChoice(choices: readonly string[], input: unknown): string {
  const list = choices.map((choice) => `\`${choice}\``).join(', ');
  const instruction = choices.length === 1 ? `this must be ${list}` : `this must be one of ${list}`;
  const meant = typeof input === 'string' ? nearest(input, choices) : undefined;
  return meant === undefined || choices.length === 1 ? instruction : `${instruction}; did you mean \`${meant}\`?`;
}

function wordLimit(origin: string, bound: 'at least' | 'at most', limit: number | bigint): string {
  if (origin === 'string') return limit === 1 ? 'this may not be empty' : `use ${bound} ${limit} characters`;
  if (origin === 'array') return limit === 1 && bound === 'at least' ? 'this list may not be empty' : `list ${bound} ${limit}`;
  return `give a number of ${bound} ${limit}`;
}

/** One complaint for each thing to change, in no order. `schema` is the JSON Schema of the file, which knows the keys. */
export function complaintsOf(
  schema: z.core.JSONSchema.BaseSchema,
  issues: readonly z.core.$ZodIssue[],
  above: readonly PropertyKey[] = [],
): Complaint[] {
  return issues.flatMap((issue): Complaint[] => {
    const path = [...above, ...issue.path];
    if (issue.code === 'unrecognized_keys') {
      const known = knownKeys(schema, path);
      return issue.keys.map((key) => unknownKey(key, path, known));
    }
    if (issue.code === 'invalid_union') {
      const meant = issue.errors.filter((branch) => !branch.some((inner) => inner.path.length === 0 && isAboutForm(inner)));
      // Of several forms, the one that knows all of the keys.
      const closest = meant.filter((branch) => !branch.some((inner) => inner.path.length === 0 && inner.code === 'unrecognized_keys'));
      const [only, ...others] = closest.length > 0 ? closest : meant;
      if (only !== undefined && others.length === 0) return complaintsOf(schema, only, path);
    }
    if (issue.code === 'invalid_key') return complaintsOf(schema, issue.issues, path);
    return [{ path, message: issue.message }];
  });
}

/** A branch that fails so was not the one that was meant. */
function isAboutForm(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'invalid_type' || issue.code === 'invalid_value';
}

function unknownKey(key: string, path: readonly PropertyKey[], known: readonly string[]): Complaint {
  const meant = nearest(key, known);
  const advice = meant === undefined ? `known here: ${known.map((name) => `\`${name}\``).join(', ')}` : `did you mean \`${meant}\`?`;
  return { path, key, message: `\`${key.slice(0, 64)}\` is not a field here; ${advice}` };
}
