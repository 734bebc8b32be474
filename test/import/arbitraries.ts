/** Arbitrary services as specs can say them, with the split of a moment: what import has to give back of what is rendered of them. */
import fc from 'fast-check';
import type { AllowRule, HeaderMatch, PathMatch, ServicePlan, WeightedVersion } from '../../src/plan/plan.ts';
import { planService } from '../../src/plan/plan-service.ts';
import { neighboursOf, resolveAllow } from '../../src/spec/resolve-service.ts';
import { RETRY_CONDITIONS, type RetriesSpec, type RouteSpec, type ServiceSpec } from '../../src/spec/schema.ts';
import { arbitraryFault, arbitraryPolicies } from '../plan/arbitrary-policies.ts';

const milliseconds = fc.oneof(fc.constantFrom(250, 1000, 2500, 60_000), fc.integer({ min: 250, max: 86_400_000 }));
/** A try that may outlast its request is no spec. */
const perTry = fc.constantFrom(1, 40, 250);
const token = fc.constantFrom('a', 'beta', 'x1', 'it-1');
const path: fc.Arbitrary<PathMatch> = fc.oneof(
  token.map((text) => ({ exact: `/${text}` })),
  token.map((text) => ({ prefix: `/${text}/` })),
  fc.constantFrom('/v[0-9]+/.*', '/a+', '/(x|y)z?').map((regex) => ({ regex })),
);

const header = (name: string): fc.Arbitrary<HeaderMatch> =>
  fc.oneof(
    token.map((exact) => ({ name, exact })),
    token.map((prefix) => ({ name, prefix })),
    fc.constantFrom('a+', '[^/]{1,64}').map((regex) => ({ name, regex })),
    fc.boolean().map((present) => ({ name, present })),
  );
const headers = fc.subarray(['cookie', 'user-agent', 'x-tenant'], { minLength: 1 }).chain((names) => fc.tuple(...names.map(header)));
const methods = fc.subarray(['DELETE', 'GET', 'POST'], { minLength: 1 });

const match: fc.Arbitrary<RouteSpec['match']> = fc
  .record({ path, methods, headers }, { requiredKeys: [] })
  .filter((conditions) => Object.keys(conditions).length > 0);

const retries: fc.Arbitrary<RetriesSpec> = fc
  .record(
    { attempts: fc.integer({ min: 1, max: 10 }), perTryTimeoutMs: perTry, on: fc.subarray([...RETRY_CONDITIONS], { minLength: 1 }) },
    { requiredKeys: ['attempts', 'on'] },
  )
  .map(({ on, ...rest }) => ({ ...rest, on: [...on].sort() }));

export interface ArbitraryOptions {
  /** What meshes other than Istio have no words for is left out. */
  readonly only?: readonly (keyof ServiceSpec)[];
  readonly maxRoutes?: number;
}

const VERSIONS = ['1.4.2', 'v1', 'v2', 'v3'] as const;

/** Two versions, or one. A route is pinned, or goes with the split, which is one version only where others are pinned to it. */
const routes = (stable: string, max: number): fc.Arbitrary<RouteSpec[]> =>
  fc
    .array(
      fc.record(
        {
          match,
          version: fc.constantFrom(...VERSIONS.filter((version) => version !== stable)),
          timeoutMs: milliseconds,
          retries,
          fault: arbitraryFault.filter((fault) => Object.keys(fault).length > 0),
        },
        { requiredKeys: ['match'] },
      ),
      { maxLength: max },
    )
    .map((written) => written.map((route, index): RouteSpec => ({ name: `route-${index}`, ...route })));

export interface Case {
  readonly spec: ServiceSpec;
  readonly split: readonly WeightedVersion[];
  readonly plan: ServicePlan;
}

export function arbitraryCase({ only, maxRoutes = 3 }: ArbitraryOptions = {}): fc.Arbitrary<Case> {
  return fc
    .tuple(
      fc.constantFrom(...VERSIONS),
      fc.constantFrom('catalog', 'checkout'),
      fc.constantFrom('shop', 'default'),
      fc.integer({ min: 51, max: 100 }),
    )
    .chain(([stable, name, namespace, weight]) =>
      fc
        .tuple(
          fc.record(
            {
              port: fc.integer({ min: 1, max: 65_535 }),
              protocol: fc.constantFrom('http' as const, 'http2' as const, 'grpc' as const),
              versionLabel: fc.constantFrom('version', 'app.kubernetes.io/version'),
              serviceAccount: fc.constantFrom('runner', 'catalog'),
              selector: fc.constantFrom({ app: name }, { app: 'shop', tier: name }),
              routes: routes(stable, maxRoutes),
              timeoutMs: milliseconds,
              retries,
            },
            { requiredKeys: ['port', 'protocol', 'versionLabel', 'routes', 'selector'] },
          ),
          arbitraryPolicies(`${name}.${namespace}`),
        )
        .map(
          ([
            { routes: written, timeoutMs, ...fields },
            { security, telemetry: _telemetry, tokens: _tokens, retryBudget, failover, egress, ingress, circuitBreaker, ...policies },
          ]): Case => {
            const retrying = [fields.retries, ...written.map((route) => route.retries)].some((each) => each !== undefined);
            const whole: ServiceSpec = {
              ...fields,
              // A route that leaves its time-out out has the service's.
              routes: written,
              ...(timeoutMs === undefined ? {} : { timeoutMs: Math.max(timeoutMs, policies.connectTimeoutMs ?? 0) }),
              ...policies,
              ...(circuitBreaker && Object.keys(circuitBreaker).length > 0 ? { circuitBreaker } : {}),
              ...(retryBudget && retrying ? { retryBudget } : {}),
              ...(failover ? { failover: [...failover] } : {}),
              ...(egress ? { egress: [...egress] } : {}),
              ...(ingress ? { ingress: ingress.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) } : {}),
              ...(security
                ? { mtls: { stage: security.stage, trustDomain: security.trustDomain }, allow: normalized(security.allow) }
                : {}),
              name,
              namespace,
              stable,
              dataPlanes: ['here'],
              rollout: {
                strategy: 'canary',
                steps: [{ weight: 100, holdMs: 1, deadlineMs: 2 }],
                pauseDeadlineMs: 1,
                startDeadlineMs: 1,
                returnDeadlineMs: 1,
              },
              alerts: [],
              deployments: [],
            };
            const needed = [
              'name',
              'namespace',
              'stable',
              'dataPlanes',
              'rollout',
              'alerts',
              'deployments',
              'port',
              'protocol',
              'versionLabel',
              'routes',
              'selector',
            ];
            const dropped = new Set(
              Object.keys(whole).filter((key) => only && !needed.includes(key) && !only.some((each) => each === key)),
            );
            const spec = dropping(whole, dropped);
            const other = VERSIONS.find((version) => version !== stable) ?? 'v9';
            const split =
              weight === 100
                ? [{ version: stable, weight }]
                : [
                    { version: stable, weight },
                    { version: other, weight: 100 - weight },
                  ];
            return { spec, split, plan: planService('sample', spec, { split }) };
          },
        ),
    );
}

/** As reading a spec leaves it: sorted, everything once. */
export const normalized = (allow: readonly AllowRule[]): AllowRule[] =>
  resolveAllow(
    allow.map(({ callers, methods: allowed, ...limits }) => ({
      from: callers.map(({ namespace, serviceAccount }) => ({ namespace, serviceAccount })),
      ...(allowed ? { methods: allowed.toSorted() } : {}),
      ...limits,
    })),
    neighboursOf([]),
  ).map(({ rule }) => rule);

function dropping(spec: ServiceSpec, keys: ReadonlySet<string>): ServiceSpec {
  const { timeoutMs, retries: tried, serviceAccount, ...rest } = spec;
  const {
    connectTimeoutMs,
    retryBudget,
    circuitBreaker,
    outlierDetection,
    loadBalancing,
    failover,
    mtls,
    allow,
    egress,
    ingress,
    ...needed
  } = rest;
  const optional = {
    timeoutMs,
    retries: tried,
    serviceAccount,
    connectTimeoutMs,
    retryBudget,
    circuitBreaker,
    outlierDetection,
    loadBalancing,
    failover,
    mtls,
    allow,
    egress,
    ingress,
  };
  const kept = Object.fromEntries(Object.entries(optional).filter(([key, value]) => value !== undefined && !keys.has(key)));
  return { ...needed, ...kept };
}
