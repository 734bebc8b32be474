/**
 * OSM for the cases: osm-controller in a network of its own, one caller, an Envoy in front of a workload where one is looked at, and
 * pods without any elsewhere: OSM goes by pods and their service accounts.
 */

import { versionServiceName } from '../../../src/dataplanes/kubernetes/objects.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { type ApiServer, startApiServer } from '../api-server.ts';
import type { Envoy } from '../envoy.ts';
import type { KubeObject } from '../kube-client.ts';
import { OSM_TRUST_DOMAIN, startOsm } from '../osm.ts';
import { OSM_SERVICE_PORT, type OsmService, osmEnvoys } from '../osm-envoys.ts';
import { startingTogether } from '../process.ts';
import { CALLERS, NAMESPACE } from './field-case.ts';
import { heldBy } from './held.ts';
import { Written } from './kubernetes-objects.ts';
import { virtualHostOf } from './outbound.ts';
import { text } from './proto-json.ts';
import type { Stage } from './read-back.ts';
import type { Spelling } from './seen.ts';

/** Where workloads' Envoys listen, whatever the service's port is. */
const TARGET_PORT = 15_003;
/** As OSM's chart has it unless told otherwise. */
const AS_INSTALLED = { featureFlags: { enableEgressPolicy: true, enableRetryPolicy: false } };
const [web] = CALLERS;

const host = (service: string, namespace: string): string => `${service}.${namespace}.svc.cluster.local`;

const osmSpelling: Spelling = {
  virtualHost: (caller, { service, namespace }) => virtualHostOf(caller, host(service, namespace)),
  clusterName: (plan, version) => `${plan.namespace}/${versionServiceName(plan, version)}|${TARGET_PORT}`,
  inbound: (receiver) => receiver.listeners.find((listener) => text(listener, 'name') === 'inbound-listener'),
  targetPort: TARGET_PORT,
  identity: (namespace, serviceAccount) => `${serviceAccount}.${namespace}.${OSM_TRUST_DOMAIN}`,
  greeting: (plan) => ({ alpn: ['osm'], serverName: host(versionServiceName(plan, 'v1'), plan.namespace) }),
};

export function startOsmStage(dataPlane: string, render: (plan: ServicePlan) => readonly JsonObject[]): Promise<Stage> {
  return startingTogether(async (started) => {
    const api = started.add(await startApiServer('osm'));
    const osm = started.add(await startOsm(api, { mesh: AS_INSTALLED }));
    const envoys = started.add(osmEnvoys(api, osm));
    const written = new Written(api);
    const { envoy: caller } = await envoys.caller(NAMESPACE, web);
    const receivers = new Map<string, Envoy>();
    return {
      ground: { dataPlane, trustDomain: OSM_TRUST_DOMAIN, port: OSM_SERVICE_PORT },
      spelling: osmSpelling,
      async prepare(wanted) {
        for (const { plan } of wanted.filter(({ needs }) => needs === 'receiver')) {
          for (const service of servicesOf(plan)) await envoys.service(service);
          receivers.set(plan.service, (await envoys.workload(NAMESPACE, plan.service, 'v1')).envoy);
        }
        for (const [index, { plan }] of wanted.filter(({ needs }) => needs !== 'receiver').entries()) {
          await bareWorkload(api, plan, `10.89.0.${index + 1}`);
        }
      },
      apply: (plan) => written.replace(plan, render(plan)),
      async look() {
        const dumped = [...receivers].map(async ([name, envoy]) => [name, heldBy(await envoy.configDump())] as const);
        return { caller: heldBy(await caller.configDump()), receivers: new Map(await Promise.all(dumped)) };
      },
    };
  });
}

/** That which callers call, and one for each version. */
function servicesOf(plan: ServicePlan): readonly OsmService[] {
  const { service: name, namespace, selector } = plan;
  const versions = plan.versions.map((version) => ({
    name: versionServiceName(plan, version.name),
    namespace,
    selector: { ...selector, ...version.labels },
  }));
  return [{ name, namespace, selector }, ...versions];
}

/** A pod of each version, of which no more is there than what OSM asks the API server for. */
async function bareWorkload(api: ApiServer, plan: ServicePlan, address: string): Promise<void> {
  const { service, namespace, selector } = plan;
  const metadata = { name: service, namespace };
  const labels = { ...selector, ...plan.versions[0]?.labels };
  const pod: KubeObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, labels },
    spec: { serviceAccountName: service, containers: [{ name: 'app', image: 'app' }] },
  };
  const status = { podIP: address, podIPs: [{ ip: address }], phase: 'Running' };
  await api.admin.mustApply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata }, pod);
  const path = `${await api.admin.pathOf(pod, 'status')}?fieldManager=conformance-kubelet&force=true`;
  const { status: code, body } = await api.admin.ask(
    'PATCH',
    path,
    { apiVersion: 'v1', kind: 'Pod', metadata, status },
    'application/apply-patch+yaml',
  );
  if (code !== 200) throw new Error(`The pod's status was not taken: ${JSON.stringify(body)}`);
  for (const each of servicesOf(plan)) {
    const named = { name: each.name, namespace };
    const ports = [{ name: 'http', port: plan.port, targetPort: TARGET_PORT }];
    await api.admin.mustApply(
      { apiVersion: 'v1', kind: 'Service', metadata: named, spec: { selector: { ...each.selector }, ports } },
      {
        apiVersion: 'v1',
        kind: 'Endpoints',
        metadata: named,
        subsets: [{ addresses: [{ ip: address }], ports: [{ name: 'http', port: TARGET_PORT }] }],
      },
    );
  }
}
