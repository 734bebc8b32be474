/**
 * The pods of an Istio mesh as an API server and its kubelet show them: an istiod and proxies that run beside the test, each reached by the
 * ports that it would have in a pod.
 */
import type { JsonObject } from '../../src/journal/documents.ts';
import type { ApiServer } from './api-server.ts';
import type { Envoy } from './envoy.ts';
import type { Istiod } from './istiod.ts';
import { type Kubelet, startKubelet } from './kubelet.ts';

export interface MeshPods extends Kubelet {
  /** A pod whose `istio-proxy` is this Envoy. */
  proxy(name: string, namespace: string, envoy: Pick<Envoy, 'adminPort'>): Promise<void>;
}

/** `environment`: as istiod was started with. */
export async function meshPods(api: ApiServer, istiod: Istiod, environment: Readonly<Record<string, string>>): Promise<MeshPods> {
  const ports = new Map<string, ReadonlyMap<number, number>>([
    [
      'istiod-0',
      new Map([
        [15_014, istiod.monitoringPort],
        [15_012, istiod.securePort],
      ]),
    ],
  ]);
  const kubelet = await startKubelet(api, (pod, port) => ports.get(pod)?.get(port) ?? `nobody listens on ${port}`);
  const running = [{ name: 'istio-proxy', image: 'istio-proxy', imageID: '', ready: true, restartCount: 0, state: { running: {} } }];

  async function pod(name: string, namespace: string, spec: JsonObject, status: JsonObject): Promise<void> {
    const labels = namespace === istiod.namespace ? { app: 'istiod' } : {};
    const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels } };
    await api.admin.mustApply({ ...object, spec: { nodeName: kubelet.node, ...spec } });
    const answer = await api.admin.ask('PATCH', await api.admin.pathOf(object, 'status'), { status }, 'application/merge-patch+json');
    if (answer.status !== 200)
      throw new Error(`The pod ${name} could not be made ready (${answer.status}): ${JSON.stringify(answer.body)}`);
  }

  const env = Object.entries(environment).map(([name, value]) => ({ name, value }));
  const ready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
  await pod('istiod-0', istiod.namespace, { containers: [{ name: 'discovery', image: 'istiod', env }] }, ready);
  return {
    ...kubelet,
    async proxy(name, namespace, { adminPort }) {
      ports.set(name, new Map([[15_000, adminPort]]));
      const containers = [{ name: 'istio-proxy', image: 'istio-proxy' }];
      await pod(name, namespace, { containers }, { ...ready, containerStatuses: running });
    },
  };
}
