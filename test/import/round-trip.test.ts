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
import type { ServicePlan } from '../../src/plan/plan.ts';
import { planService } from '../../src/plan/plan-service.ts';
import type { DataPlaneSpec, ServiceSpec } from '../../src/spec/schema.ts';
import { arbitraryCase, type Case } from './arbitraries.ts';

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
