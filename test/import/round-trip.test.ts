/**
 * There and back: what is rendered of a spec, imported, and rendered again is the same, object for object. With what a cluster has besides:
 * the service's own Service, and the workload that says whose identity it has.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rendererOf } from '../../src/dataplanes/renderers.ts';
import { importMesh } from '../../src/import/import-mesh.ts';
import { objectsIn } from '../../src/import/objects.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import { isRefusal, judge } from '../../src/plan/fidelity.ts';
import type { PlannedRoute, ServicePlan } from '../../src/plan/plan.ts';
import { planService } from '../../src/plan/plan-service.ts';
import type { DataPlaneSpec, ServiceSpec } from '../../src/spec/schema.ts';
import { goldenCases } from '../golden/case.ts';
import { arbitraryCase, type Case, normalized } from './arbitraries.ts';

const reached = { takeOver: false, observe: true };
const istio: DataPlaneSpec = { kind: 'istio', name: 'istio', ...reached, controlPlaneNamespace: 'istio-system' };

const APP_PROTOCOLS = { http: 'http', http2: 'kubernetes.io/h2c', grpc: 'grpc' };

/** What is there of a service whatever mesh it is in. */
function ofCluster(plan: ServicePlan, serviceAccount: string): JsonObject[] {
  const metadata = { name: plan.service, namespace: plan.namespace };
  const ports = [{ name: 'main', port: plan.port, appProtocol: APP_PROTOCOLS[plan.protocol] }];
  return [
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: { ...plan.selector }, ports } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: { template: { metadata: { labels: { ...plan.selector } }, spec: { serviceAccountName: serviceAccount } } },
    },
  ];
}

function importedAgain(
  plans: readonly { readonly plan: ServicePlan; readonly serviceAccount: string }[],
  dataPlane: DataPlaneSpec,
): readonly ServicePlan[] {
  const rendered = plans.flatMap(({ plan, serviceAccount }) => [...ofCluster(plan, serviceAccount), ...rendererOf(dataPlane).render(plan)]);
  const strict = plans.some(({ plan }) => plan.security !== undefined);
  const beside = dataPlane.kind === 'osm' && strict ? [OSM_ENFORCES] : [];
  const { objects, unreadable } = objectsIn('cluster', JSON.parse(JSON.stringify([...beside, ...rendered])));
  expect(unreadable).toEqual([]);
  const { services, traffic } = importMesh(objects, { mesh: 'sample', to: dataPlane.kind, ...(strict ? { consulDefault: 'deny' } : {}) });
  return services.map((service) => planService('sample', service, { split: trafficOf(service, traffic.get(service.name) ?? []) }));
}

const trafficOf = ({ stable = '' }: ServiceSpec, split: Case['split']): Case['split'] =>
  split.length > 0 ? split : [{ version: stable, weight: 100 }];

const isSaid = (plan: ServicePlan, dataPlane: DataPlaneSpec): boolean => !judge(plan, rendererOf(dataPlane).fidelity).some(isRefusal);

/** OSM says for the whole mesh whether permissions are looked at; without it nothing is known of who may call. */
const OSM_ENFORCES = {
  apiVersion: 'config.openservicemesh.io/v1alpha2',
  kind: 'MeshConfig',
  metadata: { name: 'osm-mesh-config' },
  spec: { traffic: {} },
};

const TARGETS: readonly {
  readonly dataPlane: DataPlaneSpec;
  readonly name: string;
  readonly maxRoutes: number;
  readonly only?: readonly (keyof ServiceSpec)[];
}[] = [
  { name: 'Istio', dataPlane: istio, maxRoutes: 3 },
  {
    name: 'Open Service Mesh',
    maxRoutes: 0,
    only: ['connectTimeoutMs', 'circuitBreaker', 'mtls', 'allow', 'egress'],
    dataPlane: { kind: 'osm', name: 'osm', ...reached, controlPlaneNamespace: 'osm-system' },
  },
  {
    name: 'Consul',
    maxRoutes: 3,
    only: ['timeoutMs', 'retries', 'connectTimeoutMs', 'loadBalancing', 'mtls', 'allow'],
    dataPlane: { kind: 'consul', name: 'consul', defaultPolicy: 'deny', takeOver: false },
  },
  {
    name: 'Gateway API',
    maxRoutes: 1,
    only: ['timeoutMs', 'ingress'],
    dataPlane: { kind: 'gateway-api', name: 'gateway-api', ...reached, controlPlaneNamespace: 'istio-system', experimental: false },
  },
  { name: 'Linkerd', maxRoutes: 1, only: ['timeoutMs', 'mtls', 'allow'], dataPlane: { kind: 'linkerd', name: 'linkerd', ...reached } },
];

describe.each(TARGETS)('import of what was exported to $name', ({ dataPlane, maxRoutes, only }) => {
  it('gives the same objects again, whatever the spec', () => {
    const sayable = arbitraryCase({ maxRoutes, ...(only ? { only } : {}) }).filter(({ plan }) => isSaid(plan, dataPlane));
    fc.assert(
      fc.property(sayable, ({ plan, spec }) => {
        const [again] = importedAgain([{ plan, serviceAccount: spec.serviceAccount ?? spec.name }], dataPlane);
        expect(again && rendererOf(dataPlane).render(again)).toEqual(rendererOf(dataPlane).render(plan));
      }),
      { numRuns: 60 },
    );
  });
});

/** Goldens hold plans that no spec gives; those are the renderers' own affair. */
function couldBeSpec({ routes, versions, selector }: ServicePlan): boolean {
  const last = routes.at(-1);
  const named = routes.slice(0, -1);
  const headers = named.flatMap(({ name, match }) => (match.headers ?? []).map((header) => `${name} ${header.name}`));
  return (
    last?.mirror === undefined &&
    last?.fault === undefined &&
    named.every(({ split }) => split.length === 1 || JSON.stringify(split) === JSON.stringify(last?.split)) &&
    named.every(({ timeoutMs }) => timeoutMs !== undefined || !last?.timeoutMs) &&
    new Set(headers).size === headers.length &&
    versions.every(({ labels }) => Object.keys(labels).every((label) => !(label in selector)))
  );
}

const headersSorted = (route: PlannedRoute): PlannedRoute => {
  const { headers } = route.match;
  if (!headers) return route;
  return { ...route, match: { ...route.match, headers: headers.toSorted((a, b) => (a.name < b.name ? -1 : 1)) } };
};

/** Telemetry and tokens are not imported, and said; `allow` and headers are sorted where they are read. */
const golden = goldenCases().flatMap(({ name, plans }) =>
  plans.filter(couldBeSpec).map(({ telemetry: _telemetry, tokens: _tokens, security, ...plan }, index) => ({
    name: `${name} ${index}`,
    plan: {
      ...plan,
      routes: plan.routes.map(headersSorted),
      ...(security ? { security: { ...security, allow: normalized(security.allow) } } : {}),
    },
  })),
);

it('says of tokens that they have to be kept beside the spec', () => {
  const plan = goldenCases().find(({ name }) => name === 'tokens')?.plans[0];
  if (!plan) throw new Error('the golden case `tokens` is gone');
  const { objects } = objectsIn(
    'cluster',
    JSON.parse(JSON.stringify([...ofCluster(plan, plan.service), ...rendererOf(istio).render(plan)])),
  );
  const { findings } = importMesh(objects, { mesh: 'sample', to: 'istio' });
  const lost = findings.filter(({ outcome, security }) => outcome === 'not-imported' && security);
  const objectsLost = new Set(lost.map(({ object: { kind, namespace, name } }) => `${kind} ${namespace}/${name}`));
  expect([...objectsLost].sort()).toEqual(['AuthorizationPolicy shop/catalog.tokens', 'RequestAuthentication shop/catalog']);
});

it('is tried with most goldens', () => {
  expect(golden.length).toBeGreaterThan(25);
});

describe.each(TARGETS)('import of the goldens of $name', ({ dataPlane }) => {
  const said = golden.filter(({ plan }) => isSaid(plan, dataPlane));

  it.each(said)('gives the same objects again: $name', ({ plan }) => {
    const [again] = importedAgain([{ plan, serviceAccount: plan.security?.serviceAccount ?? plan.service }], dataPlane);
    expect(again && rendererOf(dataPlane).render(again)).toEqual(rendererOf(dataPlane).render(plan));
  });
});
