/** What a canary over a real istiod needs around it: an API server, `catalog` in two versions behind Envoys, and `web`, which calls it. */
import { serviceFile } from '../world.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import type { CrdSet } from './crds.ts';
import { type IstioCaller, type IstioWorkload, istioEnvoys } from './istio-envoys.ts';
import { type Istiod, startIstiod } from './istiod.ts';
import { istiodPod } from './kubernetes-connector.ts';
import { type Running, startingTogether } from './process.ts';

export const CATALOG = { name: 'catalog', namespace: 'shop', port: 8080 };

export interface IstioCanaryMesh extends Running {
  readonly api: ApiServer;
  readonly istiod: Istiod;
  readonly v2: IstioWorkload;
  readonly web: IstioCaller;
}

/** With the CRDs of `sets`. */
export function startIstioCanaryMesh(...sets: readonly CrdSet[]): Promise<IstioCanaryMesh> {
  return startingTogether(async (started) => {
    const api = started.add(await startApiServer(...sets));
    const istiod = started.add(await startIstiod(api));
    const envoys = started.add(istioEnvoys(api, istiod));
    await envoys.service(CATALOG);
    const [, v2] = await Promise.all([envoys.workload(CATALOG, 'v1'), envoys.workload(CATALOG, 'v2')]);
    const web = await envoys.caller('web', CATALOG.namespace, CATALOG.port);
    started.add(await istiodPod(api, istiod));
    return { api, istiod, v2, web };
  });
}

/** A spec of `catalog` as a canary, on a data plane of this kind. */
export const canaryFiles = (kind: 'istio' | 'gateway-api') => [
  {
    path: 'mesh.yaml',
    text: `apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ndataPlanes:\n  - { name: west, kind: ${kind} }\n`,
  },
  serviceFile('catalog', 'namespace: shop\nrollout: canary'),
];
