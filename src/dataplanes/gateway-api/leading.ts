/** What the routes of a service lead to where an istiod implements them: a cluster for each Service that is a backend. */
import { z } from 'zod';
import type { Leading } from '../istio/clusters-first.ts';
import { SERVICES } from '../kubernetes/kinds.ts';
import { HTTP_ROUTE } from './route-status.ts';

const backendSchema = z.object({ name: z.string(), weight: z.number().default(1) });
const routesSchema = z.object({ rules: z.array(z.object({ backendRefs: z.array(backendSchema).default([]) })).default([]) });

/** `service`: whose the routes are, and what its callers call. */
export const leadingOf = (service: string): Leading => ({
  kind: HTTP_ROUTE,
  from: { kind: SERVICES, whenMade: true },
  home: ({ namespace }) => `${service}.${namespace}.svc.`,
  targets({ namespace }, spec) {
    const backends = routesSchema.safeParse(spec).data?.rules.flatMap(({ backendRefs }) => backendRefs) ?? [];
    return backends.filter(({ weight }) => weight > 0).map(({ name }) => ({ subset: '', host: `${name}.${namespace}.svc.` }));
  },
});
