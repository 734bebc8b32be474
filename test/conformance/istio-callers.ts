/**
 * Two callers and a service of an Istio mesh, each behind an Envoy of its own, that prove a rotation: every request is an mTLS connection of its
 * own, and none is tried twice.
 */
import type { JsonObject } from '../../src/journal/documents.ts';
import { sendRequests, type Target } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import type { ApiServer } from './api-server.ts';
import { type IstioCaller, type IstioEnvoys, type IstioWorkload, istioEnvoys } from './istio-envoys.ts';
import type { MeshPods } from './istio-mesh-pods.ts';
import type { Istiod } from './istiod.ts';
import { type Running, stopping } from './process.ts';

export const catalog = { name: 'catalog', namespace: 'shop', port: 8080 };

export interface FreshCallers extends Running {
  readonly envoys: IstioEnvoys;
  readonly workload: IstioWorkload;
  readonly caller: IstioCaller;
  readonly other: IstioCaller;
  readonly targets: readonly Target[];
  /** That the service's Envoy has had. */
  handshakes(): Promise<number>;
}

/** `catalog`, `web` and `cart`, also as pods. Comes back once requests are answered. */
export async function freshCallers(api: ApiServer, istiod: Istiod, pods: MeshPods, leafSeconds: number): Promise<FreshCallers> {
  const envoys = istioEnvoys(api, istiod, { leafSeconds });
  await envoys.service(catalog);
  await api.admin.mustApply(...freshConnections());
  const workload = await envoys.workload(catalog, 'v1');
  const caller = await envoys.caller('web', 'shop', catalog.port);
  const other = await envoys.caller('cart', 'shop', catalog.port);
  const targets = [caller.to(catalog), other.to(catalog)];
  if (workload.envoy) await pods.proxy(workload.name, 'shop', workload.envoy);
  await pods.proxy('web', 'shop', caller.envoy);
  await pods.proxy('cart', 'shop', other.envoy);
  for (const target of targets) await until('requests are answered', async () => (await sendRequests(target, 1)).failures.length === 0);
  return {
    envoys,
    workload,
    caller,
    other,
    targets,
    async handshakes() {
      const counts = await workload.envoy?.stats(/^listener\..*ssl\.handshake$/);
      return [...(counts ?? [])].reduce((sum, [, count]) => sum + count, 0);
    },
    ...stopping(() => envoys.stop()),
  };
}

/** A connection for each request, and none tried twice. */
function freshConnections() {
  const host = 'catalog.shop.svc.cluster.local';
  const object = (kind: string, spec: JsonObject) => ({
    apiVersion: 'networking.istio.io/v1',
    kind,
    metadata: { name: 'catalog', namespace: 'shop' },
    spec,
  });
  return [
    object('DestinationRule', { host, trafficPolicy: { connectionPool: { http: { maxRequestsPerConnection: 1 } } } }),
    object('VirtualService', { hosts: [host], http: [{ route: [{ destination: { host } }], retries: { attempts: 0 } }] }),
    {
      apiVersion: 'security.istio.io/v1',
      kind: 'PeerAuthentication',
      metadata: { name: 'strict', namespace: 'shop' },
      spec: { mtls: { mode: 'STRICT' } },
    },
  ];
}
