/** JSON Schema (draft 2020-12) of what people write, for editors; and which keys it knows at a place. */
import { z } from 'zod';
import { authoredMeshSchema } from './authored-mesh.ts';
import { authoredServiceSchema } from './authored-service.ts';

export const SPEC_KINDS = ['Mesh', 'Service'] as const;
export type SpecKind = (typeof SPEC_KINDS)[number];

/** The schema of one kind of file; what only refinements know (rising weights, RE2) is not in it. */
export function jsonSchema(kind: SpecKind): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(kind === 'Mesh' ? authoredMeshSchema : authoredServiceSchema, { io: 'input' });
}

/** The keys an object may have at `path` by `schema`; none where it has no object with keys of its own. */
export function knownKeys(schema: z.core.JSONSchema.BaseSchema, path: readonly PropertyKey[]): readonly string[] {
  let here: readonly z.core.JSONSchema._JSONSchema[] = [schema];
  for (const segment of path) {
    here = here.flatMap(branches).flatMap((each) => {
      if (typeof segment === 'number') return each.items === undefined || Array.isArray(each.items) ? [] : [each.items];
      return [each.properties?.[String(segment)] ?? each.additionalProperties ?? false];
    });
  }
  return here.flatMap(branches).flatMap((each) => Object.keys(each.properties ?? {}));
}

function branches(schema: z.core.JSONSchema._JSONSchema): z.core.JSONSchema.BaseSchema[] {
  if (typeof schema === 'boolean') return [];
  return [schema, ...(schema.anyOf ?? []).flatMap(branches)];
}
