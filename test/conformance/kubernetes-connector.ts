/** The product's own connector to a test's API server, and what it finds istiod by: a pod of a node whose kubelet forwards to it. */
import { readKubeconfig } from '../../src/adapters/kubeconfig.ts';
import { kubernetesCluster, type SpeakingCluster } from '../../src/adapters/kubernetes-cluster.ts';
import type { Cluster, ResourceKind } from '../../src/dataplanes/kubernetes/cluster.ts';
import { until } from '../e2e/until.ts';
import type { ApiServer } from './api-server.ts';
import { ISTIO_NAMESPACE, type Istiod } from './istiod.ts';
import { type Kubelet, startKubelet } from './kubelet.ts';

/** As `token` says, the administrator if left out. */
export function connector(api: Pick<ApiServer, 'kubeconfig'>, token?: string): SpeakingCluster {
  const kubeconfig = api.kubeconfig(token);
  return kubernetesCluster({ config: () => readKubeconfig(kubeconfig) });
}

/** A connector that can list all of `kinds`: a CRD that was just installed answers 429 for a moment. */
export async function connectedFor(api: ApiServer, kinds: readonly ResourceKind[]): Promise<Cluster> {
  const cluster = connector(api);
  await until('every kind can be listed', () => Promise.all(kinds.map((kind) => cluster.list(kind, {}))));
  return cluster;
}

/** Describes istiod as the pod `istiod-0`, ready. */
export async function istiodPod(api: ApiServer, istiod: Istiod): Promise<Kubelet> {
  const kubelet = await startKubelet(api, (_pod, port) => (port === 15_014 ? istiod.monitoringPort : `nobody listens on ${port}`));
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'istiod-0', namespace: ISTIO_NAMESPACE, labels: { app: 'istiod' } } };
  await api.admin.mustApply({ ...pod, spec: { nodeName: kubelet.node, containers: [{ name: 'discovery', image: 'istiod' }] } });
  const status = { conditions: [{ type: 'Ready', status: 'True' }] };
  const answer = await api.admin.ask('PATCH', await api.admin.pathOf(pod, 'status'), { status }, 'application/merge-patch+json');
  if (answer.status !== 200) throw new Error(`The pod of istiod could not be made ready (${answer.status}).`);
  return kubelet;
}
