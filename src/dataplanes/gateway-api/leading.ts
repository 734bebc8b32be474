/** What the routes of a service lead to where an istiod implements them: a cluster for each Service that is a backend. */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Leading } from '../istio/clusters-first.ts';
import { SERVICES } from '../kubernetes/kinds.ts';
import { HTTP_ROUTE } from './route-status.ts';

const backendSchema = z.looseObject({ name: z.string(), weight: z.number().default(1) });
const routesSchema = z.looseObject({ rules: z.array(z.looseObject({ backendRefs: z.array(backendSchema).default([]) })).default([]) });

/** `service`: whose the routes are, and what its callers call. */
export const leadingOf = (service: string): Leading => ({
  kind: HTTP_ROUTE,
  from: { kind: SERVICES, whenMade: true },
  home: ({ namespace }) => `${service}.${namespace}.svc.`,
  targets: ({ namespace }, spec) =>
    (toldOf(spec) ?? []).flatMap(({ backendRefs }) => backendRefs).map(({ name }) => ({ subset: '', host: `${name}.${namespace}.svc.` })),
  isUntold: (before, after) => toldOf(before) !== undefined && isDeepStrictEqual(toldOf(before), toldOf(after)),
});

/** istiod leaves out who gets nothing, and pushes only what is then another VirtualService. */
const toldOf = (spec: unknown) =>
  routesSchema.safeParse(spec).data?.rules.map((rule) => ({ ...rule, backendRefs: rule.backendRefs.filter(({ weight }) => weight > 0) }));
