/**
 * A case of one plan field: two plans of a service that differ in this field's value only, and what has to be read of it from the
 * proxies while the one and then the other is applied. The two readings differ, or the case proves nothing.
 */
import type { Json } from '../../../src/journal/documents.ts';
import type { PlanField } from '../../../src/plan/fidelity.ts';
import type { PlannedRoute, PlannedSecurity, ServicePlan, Tokens } from '../../../src/plan/plan.ts';
import type { Seen } from './seen.ts';

/** What the plan of the case's service says besides the least one can say. */
export interface Said
  extends Partial<Omit<ServicePlan, 'mesh' | 'service' | 'namespace' | 'port' | 'selector' | 'security' | 'tokens' | 'routes'>> {
  /** Besides the one that matches everything; tried before it. */
  readonly routes?: readonly PlannedRoute[];
  /** What the route that matches everything says besides sending all to v1. */
  readonly route?: Partial<Omit<PlannedRoute, 'name' | 'match'>>;
  readonly security?: Pick<PlannedSecurity, 'stage' | 'allow'>;
  /** `keys`: of which issuer of the ground. */
  readonly tokens?: Omit<Tokens, 'jwks'> & { readonly keys: Issuer };
}

export type Issuer = 'first' | 'second';

export interface Value {
  readonly plan: Said;
  readonly reads: Json;
}

export interface FieldCase {
  /** What has to be there besides a caller: a proxy in front of a workload, a gateway. */
  readonly needs?: 'receiver' | 'gateway';
  readonly read: (seen: Seen) => Json;
  readonly values: readonly [Value, Value];
}

export const NAMESPACE = 'fields';
export const PORT = 8080;
/** The service accounts that call; `admin` is never the one that only `web` may be. */
export const CALLERS = ['web', 'admin'] as const;

/** `route.retries.on.5xx` has the service `route-retries-on-5xx`. */
export const serviceOf = (field: PlanField): string => field.toLowerCase().replaceAll('.', '-');

/** What a data plane brings to every plan. */
export interface Ground {
  readonly dataPlane: string;
  readonly trustDomain: string;
  /** Where issuers have their keys: that of the first is called `key-1`, that of the second `key-2`. */
  readonly keys?: Readonly<Record<Issuer, string>>;
  /** `PORT` unless said. */
  readonly port?: number;
}

export function planOf(field: PlanField, said: Said, ground: Ground): ServicePlan {
  const service = serviceOf(field);
  const { routes = [], route = {}, security, tokens, ...rest } = said;
  const labels = { app: service };
  return {
    mesh: 'conformance',
    service,
    namespace: NAMESPACE,
    port: ground.port ?? PORT,
    protocol: 'http',
    selector: labels,
    versions: ['v1', 'v2', 'v3'].map((version) => ({ name: version, labels: { ...labels, version } })),
    dataPlanes: [ground.dataPlane],
    ...rest,
    routes: [...routes, { name: 'default', match: {}, split: [{ version: 'v1', weight: 100 }], ...route }],
    ...(security ? { security: { ...security, trustDomain: ground.trustDomain, serviceAccount: service } } : {}),
    ...(tokens ? { tokens: askedOf(tokens, ground) } : {}),
  };
}

const askedOf = ({ keys, ...tokens }: NonNullable<Said['tokens']>, ground: Ground): Tokens => ({
  ...tokens,
  jwks: ground.keys?.[keys] ?? `https://${keys}.example/keys`,
});
