/**
 * What osm-controller 1.2 makes of rendered objects for one request, after its sources (pkg/catalog/inbound_traffic_policies.go,
 * pkg/envoy/rds/route): the first route that matches decides, those of one TrafficTarget stand in the order of its matches, and
 * whichever TrafficTarget comes first comes first; expressions match the whole path (Envoy's safe_regex).
 */
import { z } from 'zod';
import type { JsonObject } from '../../../src/journal/documents.ts';
import type { Caller } from '../../../src/plan/plan.ts';
import type { Request } from '../kubernetes/requests.ts';

const METHODS = ['*', 'GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];
const account = z.object({ kind: z.literal('ServiceAccount'), name: z.string(), namespace: z.string() });
const targetSchema = z.object({
  kind: z.literal('TrafficTarget'),
  metadata: z.object({ namespace: z.string() }),
  spec: z.strictObject({
    destination: account,
    sources: z.array(account).min(1),
    rules: z.array(z.strictObject({ kind: z.literal('HTTPRouteGroup'), name: z.string(), matches: z.array(z.string()).min(1) })).length(1),
  }),
});
const groupSchema = z.object({
  kind: z.literal('HTTPRouteGroup'),
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    matches: z.array(z.strictObject({ name: z.string(), pathRegex: z.string(), methods: z.array(z.enum(METHODS)).min(1) })),
  }),
});

const all = <Parsed>(schema: z.ZodType<Parsed>, objects: readonly JsonObject[]): readonly Parsed[] =>
  objects.flatMap((object) => schema.safeParse(object).data ?? []);

/** `objects`: the TrafficTarget that the controller happens to list first is first. Throws on a target without a group, which it would skip. */
export function allows(objects: readonly JsonObject[], destination: string, caller: Caller, request: Request): boolean {
  const groups = all(groupSchema, objects);
  const targets = all(targetSchema, objects).filter(({ spec }) => spec.destination.name === destination);
  const routes = targets.flatMap(({ metadata, spec }) => {
    if (metadata.namespace !== spec.destination.namespace) throw new Error('the webhook refuses a target of another namespace');
    return spec.rules.flatMap(({ name, matches }) => {
      const found = groups.find((group) => group.metadata.name === name)?.spec.matches ?? [];
      if (matches.some((each) => !found.some((match) => match.name === each))) throw new Error(`${name} has not all of ${matches}`);
      return found.map((match) => ({ match, sources: spec.sources }));
    });
  });
  const first = routes.find(
    ({ match: { pathRegex, methods } }) =>
      new RegExp(`^(?:${pathRegex})$`).test(request.path) && methods.some((method) => method === '*' || method === request.method),
  );
  return first?.sources.some(({ name, namespace }) => name === caller.serviceAccount && namespace === caller.namespace) ?? false;
}
