/**
 * Arbitrary policies of a plan: resilience, security, egress, ingress and telemetry, each there or left out, with values that
 * are telling (several of everything, bounds, letters that are wildcards in some mesh).
 */
import fc from 'fast-check';
import type {
  AllowRule,
  Caller,
  Egress,
  Fault,
  Ingress,
  Mirror,
  PathMatch,
  PlannedSecurity,
  ServicePlan,
  Tokens,
} from '../../src/plan/plan.ts';

const percent = fc.integer({ min: 1, max: 100 });
const count = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(1024, 1_000_000));
const milliseconds = fc.oneof(fc.constantFrom(1, 250, 1000, 2500), fc.integer({ min: 1, max: 86_400_000 }));
const host = fc.constantFrom('api.payments.example', 'rates.example', 'files.example');
const region = fc.constantFrom('westeurope', 'northeurope', 'francecentral');

export const arbitraryMirror = (versions: readonly string[]): fc.Arbitrary<Mirror> =>
  fc.record({ version: fc.constantFrom(...versions), percent });

export const arbitraryFault: fc.Arbitrary<Fault> = fc.record(
  {
    delay: fc.record({ ms: milliseconds, percent }),
    abort: fc.record({ status: fc.integer({ min: 200, max: 599 }), percent }),
  },
  { requiredKeys: [] },
);

const allowedPath: fc.Arbitrary<PathMatch> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('/', '/a', '/healthz', '/items/1').map((exact) => ({ exact })) },
  { weight: 4, arbitrary: fc.constantFrom('/', '/a', '/items/').map((prefix) => ({ prefix })) },
  { weight: 1, arbitrary: fc.constantFrom('/files/*', '/{a}', '/*/b').map((exact) => ({ exact })) },
  { weight: 1, arbitrary: fc.constantFrom('/v[0-9]+/.*', '/a+').map((regex) => ({ regex })) },
);

const caller: fc.Arbitrary<Caller> = fc.record({
  namespace: fc.constantFrom('shop', 'ops'),
  serviceAccount: fc.constantFrom('web', 'prober', 'checkout'),
});

const allowRule: fc.Arbitrary<AllowRule> = fc.record(
  {
    callers: fc.uniqueArray(caller, { minLength: 1, maxLength: 3, selector: (each) => `${each.namespace}/${each.serviceAccount}` }),
    methods: fc.uniqueArray(fc.constantFrom('GET', 'POST', 'M-SEARCH'), { minLength: 1 }),
    paths: fc.array(allowedPath, { minLength: 1, maxLength: 3 }),
  },
  { requiredKeys: ['callers'] },
);

const security: fc.Arbitrary<PlannedSecurity> = fc.record({
  stage: fc.constantFrom('permissive', 'shadow', 'strict'),
  trustDomain: fc.constantFrom('mesh.example', 'cluster.local'),
  serviceAccount: fc.constantFrom('catalog', 'runner'),
  allow: fc.array(allowRule, { maxLength: 3 }),
});

const tokens: fc.Arbitrary<Tokens> = fc.record(
  {
    issuer: fc.constantFrom('https://login.example/tenant/v2.0', 'https://issuer.example'),
    audience: fc.constantFrom('api://catalog', 'f3b1', '*'),
    jwks: fc.constantFrom('https://login.example/tenant/keys', 'https://issuer.example:8443/keys?app=1'),
    roles: fc.uniqueArray(fc.constantFrom('Orders.Read', 'Orders.Write', 'Orders.*'), { minLength: 1 }).map((roles) => roles.sort()),
  },
  { requiredKeys: ['issuer', 'audience', 'jwks'] },
);

const egressPlace = (each: Egress): string => `${each.host} ${String(each.port).padStart(5)}`;
const ingressPlace = ({ host: name, gateway }: Ingress): string => `${name} ${gateway.namespace}/${gateway.name}`;

const egress: fc.Arbitrary<readonly Egress[]> = fc
  .uniqueArray(fc.record({ host, port: fc.constantFrom(80, 443, 8443), protocol: fc.constantFrom('http', 'tls') }), {
    minLength: 1,
    maxLength: 4,
    selector: egressPlace,
  })
  .map((calls) => calls.toSorted((a, b) => (egressPlace(a) < egressPlace(b) ? -1 : 1)));

const gateway = fc.record({ name: fc.constantFrom('public', 'internal'), namespace: fc.constantFrom('edge', 'shop') });
/** Names that are one service's alone: two services can't have the same one at a gateway. */
const arbitraryIngress = (owner: string): fc.Arbitrary<readonly Ingress[]> =>
  fc
    .uniqueArray(fc.record({ host: fc.constantFrom(`${owner}.example`, `www.${owner}.example`), gateway }), {
      minLength: 1,
      maxLength: 3,
      selector: ingressPlace,
    })
    .map((entrances) => entrances.toSorted((a, b) => (ingressPlace(a) < ingressPlace(b) ? -1 : 1)));

type Policies = Pick<
  ServicePlan,
  | 'connectTimeoutMs'
  | 'retryBudget'
  | 'circuitBreaker'
  | 'outlierDetection'
  | 'loadBalancing'
  | 'failover'
  | 'security'
  | 'tokens'
  | 'egress'
  | 'ingress'
  | 'telemetry'
>;

/** `owner` is `<service>.<namespace>`. */
export const arbitraryPolicies = (owner: string): fc.Arbitrary<Policies> =>
  fc.record(
    {
      connectTimeoutMs: milliseconds,
      retryBudget: fc.record({ percent, minConcurrent: count }),
      circuitBreaker: fc.record(
        { maxConnections: count, maxPendingRequests: count, maxRequests: count, maxRequestsPerConnection: count },
        { requiredKeys: [] },
      ),
      outlierDetection: fc.record({
        consecutiveErrors: count,
        intervalMs: milliseconds,
        ejectionMs: milliseconds,
        maxEjectionPercent: percent,
      }),
      loadBalancing: fc.oneof(
        fc.record({ policy: fc.constantFrom('least-request', 'random', 'round-robin') }),
        fc.record({ policy: fc.constant('hash'), header: fc.constantFrom('x-user', 'cookie') }),
      ),
      failover: fc.uniqueArray(region, { minLength: 1 }),
      security,
      tokens,
      egress,
      ingress: arbitraryIngress(owner),
      telemetry: fc.record({ accessLog: fc.constantFrom('all', 'errors'), tracing: fc.record({ percent }) }, { requiredKeys: [] }),
    },
    { requiredKeys: [] },
  );
