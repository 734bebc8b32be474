/** A mesh of real proxies that plans are tried on: what the Istio renderer gives for a plan is applied, and nothing is written by hand. */
import { renderIstio } from '../../src/dataplanes/istio/render.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import type { ServicePlan, WeightedVersion } from '../../src/plan/plan.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { Written } from './fields/kubernetes-objects.ts';
import { type IstioEnvoys, type IstioService, istioEnvoys } from './istio-envoys.ts';
import { startIstiod } from './istiod.ts';
import { type Running, startingTogether } from './process.ts';

export interface PlannedMesh extends Running {
  readonly api: ApiServer;
  readonly envoys: IstioEnvoys;
  /** Objects of the service's plan before that are no longer rendered are taken away. */
  bring(plan: ServicePlan): Promise<void>;
}

/** `mesh`: fields of MeshConfig; `environment`: of istiod. */
export function startPlannedMesh(mesh: JsonObject = {}, environment: Readonly<Record<string, string>> = {}): Promise<PlannedMesh> {
  return startingTogether(async (started) => {
    const api = started.add(await startApiServer('istio', 'gateway-api'));
    const istiod = started.add(await startIstiod(api, { mesh, environment }));
    const envoys = started.add(istioEnvoys(api, istiod));
    const written = new Written(api);
    return { api, envoys, bring: (plan) => written.replace(plan, renderIstio(plan)) };
  });
}

/** The least a plan can say, with `over`; `split` is that of all its routes but those of `over`. */
export function planOf(
  { name, namespace, port }: IstioService,
  split: readonly WeightedVersion[],
  over: Partial<ServicePlan> & { readonly route?: Partial<ServicePlan['routes'][number]> } = {},
): ServicePlan {
  const { route = {}, routes = [], ...rest } = over;
  const all = [...routes, { name: 'default', match: {}, split, ...route }];
  const versions = new Set(
    all.flatMap((each) => [...each.split.map(({ version }) => version), ...(each.mirror ? [each.mirror.version] : [])]),
  );
  return {
    mesh: 'conformance',
    service: name,
    namespace,
    port,
    protocol: 'http',
    selector: { app: name },
    dataPlanes: ['istio'],
    ...rest,
    versions: [...versions].sort().map((version) => ({ name: version, labels: { version } })),
    routes: all,
  };
}
