/**
 * HTTPRoutes read back from rendered objects, and which of their rules match a request; in which order rules are tried is each
 * mesh's own matter. A field that is not known here fails: nobody would look at it.
 */
import { z } from 'zod';
import type { JsonObject } from '../../../src/journal/documents.ts';
import { byElements, type Request } from './requests.ts';

const path = z.strictObject({ type: z.enum(['Exact', 'PathPrefix', 'RegularExpression']), value: z.string() });
const header = z.strictObject({ type: z.enum(['Exact', 'RegularExpression']), name: z.string(), value: z.string().min(1) });
const match = z.strictObject({ path, method: z.string().optional(), headers: z.array(header).default([]) });
export type Match = z.infer<typeof match>;

const ruleSchema = z.object({
  matches: z.array(match).min(1),
  backendRefs: z.array(z.object({ name: z.string(), weight: z.number() })).default([]),
});
export type Rule = z.infer<typeof ruleSchema>;

const routeSchema = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({ parentRefs: z.array(z.object({ kind: z.string(), name: z.string() })).length(1), rules: z.array(ruleSchema).min(1) }),
});
export type HttpRoute = z.infer<typeof routeSchema>;

/** The HTTPRoutes of one parent, in the order in which they were rendered. */
export function routesUnder(kind: string, objects: readonly JsonObject[]): readonly HttpRoute[] {
  const routes = objects.filter((object) => object.kind === 'HTTPRoute').map((object) => routeSchema.parse(object));
  return routes.filter(({ spec }) => spec.parentRefs[0]?.kind === kind);
}

export function holds(each: Match, request: Request): boolean {
  return (
    pathHolds(each.path, request.path) &&
    (each.method === undefined || each.method === request.method) &&
    each.headers.every(({ type, name, value }) => {
      const given = request.headers[name];
      return given !== undefined && (type === 'Exact' ? given === value : new RegExp(`^(?:${value})$`).test(given));
    })
  );
}

function pathHolds({ type, value }: Match['path'], given: string): boolean {
  if (type === 'Exact') return given === value;
  return type === 'PathPrefix' ? byElements(given, value) : new RegExp(`^(?:${value})$`).test(given);
}

/** The first of those that no other is greater than. */
export function greatest<Item>(items: readonly Item[], weightOf: (item: Item) => readonly number[]): Item | undefined {
  return items.reduce<Item | undefined>(
    (best, item) => (best !== undefined && !isGreater(weightOf(item), weightOf(best)) ? best : item),
    undefined,
  );
}

function isGreater(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((each, index) => each !== b[index]);
  return at >= 0 && (a[at] ?? 0) > (b[at] ?? 0);
}
