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
  const { objects, unreadable } = objectsIn('cluster', JSON.parse(JSON.stringify(rendered)));
  expect(unreadable).toEqual([]);
  const { services, traffic } = importMesh(objects, { mesh: 'sample', to: dataPlane.kind });
  return services.map((service) => planService('sample', service, { split: trafficOf(service, traffic.get(service.name) ?? []) }));
}

const trafficOf = ({ stable = '' }: ServiceSpec, split: Case['split']): Case['split'] =>
  split.length > 0 ? split : [{ version: stable, weight: 100 }];

const isSaid = (plan: ServicePlan, dataPlane: DataPlaneSpec): boolean => !judge(plan, rendererOf(dataPlane).fidelity).some(isRefusal);

describe('import of what was exported', () => {
  it('gives Istio the same objects again, whatever the spec', () => {
    fc.assert(
      fc.property(
        arbitraryCase().filter(({ plan }) => isSaid(plan, istio)),
        ({ plan, spec }) => {
          const [again] = importedAgain([{ plan, serviceAccount: spec.serviceAccount ?? spec.name }], istio);
          expect(again && rendererOf(istio).render(again)).toEqual(rendererOf(istio).render(plan));
        },
      ),
      { numRuns: 100 },
    );
  });
});
