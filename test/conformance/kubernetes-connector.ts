/**
 * The product's own connector to a test's API server. Nothing runs pods there, so that only its dialler is another: a pod's port
 * is the port of the server that stands for it.
 */
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { readKubeconfig } from '../../src/adapters/kubeconfig.ts';
import { kubernetesCluster } from '../../src/adapters/kubernetes-cluster.ts';
import type { Cluster, PodPort } from '../../src/dataplanes/kubernetes/cluster.ts';
import type { ApiServer } from './api-server.ts';
import { ISTIO_NAMESPACE, type Istiod } from './istiod.ts';
import { LOOPBACK } from './process.ts';

/** As `token` says, the administrator if left out. `dial` left out: pods cannot be reached. */
export function connector(api: Pick<ApiServer, 'kubeconfig'>, token?: string, dial?: (to: PodPort) => Promise<Duplex>): Cluster {
  const kubeconfig = api.kubeconfig(token);
  return kubernetesCluster({ config: () => readKubeconfig(kubeconfig), ...(dial ? { dial } : {}) });
}

/** Describes istiod as the pod `istiod-0`, ready; what is dialled there is istiod. */
export async function istiodPod(api: ApiServer, istiod: Istiod): Promise<(to: PodPort) => Promise<Duplex>> {
  const metadata = { name: 'istiod-0', namespace: ISTIO_NAMESPACE, labels: { app: 'istiod' } };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata };
  await api.admin.mustApply({ ...pod, spec: { containers: [{ name: 'discovery', image: 'istiod' }] } });
  const path = await api.admin.pathOf(pod, 'status');
  const status = { conditions: [{ type: 'Ready', status: 'True' }] };
  const { status: answered } = await api.admin.ask('PATCH', path, { status }, 'application/merge-patch+json');
  if (answered !== 200) throw new Error(`The pod of istiod could not be made ready (${answered}).`);
  return async ({ pod: name, port }) => {
    if (name !== metadata.name || port !== 15_014) throw new Error(`There is no ${name}:${port}.`);
    return connect(istiod.monitoringPort, LOOPBACK);
  };
}
