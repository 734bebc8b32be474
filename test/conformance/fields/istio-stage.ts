/**
 * Istio for the cases: istiod on a real API server, one caller for all services, an Envoy in front of a workload of each service
 * whose receiver is looked at, and a gateway. Users' own objects (Services, the Gateway) are written as users would.
 */
import type { JsonObject } from '../../../src/journal/documents.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { startIssuers } from '../../dataplanes/envoy/issuers.ts';
import { type ApiServer, startApiServer } from '../api-server.ts';
import type { CrdSet } from '../crds.ts';
import { type Envoy, loopbackAddress } from '../envoy.ts';
import { type IstioEnvoys, istioEnvoys } from '../istio-envoys.ts';
import { startIstiod, TRUST_DOMAIN } from '../istiod.ts';
import type { KubeObject } from '../kube-client.ts';
import { startNetwork } from '../network.ts';
import { type Started, startingTogether } from '../process.ts';
import { NAMESPACE, PORT } from './field-case.ts';
import { type Held, heldBy } from './held.ts';
import { Written } from './kubernetes-objects.ts';
import { virtualHostOf } from './outbound.ts';
import { at } from './proto-json.ts';
import type { Stage } from './read-back.ts';
import type { Spelling } from './seen.ts';

/** Where TLS to outside hosts leaves the caller. */
const TLS_PORT = 8443;
/** Stock Envoys of the tests have no `/dev/stdout`, which Istio's own provider writes to; and a mesh has to say who traces. */
const PROVIDERS = {
  extensionProviders: [
    { name: 'envoy', envoyFileAccessLog: { path: '/dev/null' } },
    { name: 'traces', opentelemetry: { service: `traces.${NAMESPACE}.svc.cluster.local`, port: 4317 } },
  ],
  defaultProviders: { tracing: ['traces'] },
};

const host = ({ service, namespace }: ServicePlan): string => `${service}.${namespace}.svc.cluster.local`;

export const istioSpelling: Spelling = {
  virtualHost: (caller, plan) => virtualHostOf(caller, host(plan)),
  clusterName: (plan, version) => `outbound|${plan.port}|${version}|${host(plan)}`,
  inbound: (receiver) => receiver.listeners.find((listener) => listener.traffic_direction === 'INBOUND' && isAtPort(listener)),
  identity: (namespace, serviceAccount) => `spiffe://${TRUST_DOMAIN}/ns/${namespace}/sa/${serviceAccount}`,
  greeting: () => ({ alpn: ['istio'] }),
};

const isAtPort = (listener: JsonObject): boolean => at(listener, 'address', 'socket_address', 'port_value') === PORT;

/** What renders plans for the istiod of the stage, and how its clusters and routes are found. */
export interface IstioStageOptions {
  readonly dataPlane: string;
  readonly spelling: Spelling;
  readonly crds: readonly CrdSet[];
  render(plan: ServicePlan): readonly JsonObject[];
  /** The gateway that users have, as `gateway` in `NAMESPACE`. */
  openGateway(api: ApiServer, envoys: IstioEnvoys, started: Started): Promise<Envoy>;
}

export function startIstioStage({ dataPlane, spelling, crds, render, openGateway }: IstioStageOptions): Promise<Stage> {
  return startingTogether(async (started) => {
    const api = started.add(await startApiServer(...crds));
    const issuers = await startIssuers();
    started.add({ stop: issuers.stop, [Symbol.asyncDispose]: issuers.stop });
    await issuers.others.rollOver();
    const istiod = started.add(await startIstiod(api, { mesh: PROVIDERS, environment: { SSL_CERT_FILE: issuers.authorities } }));
    const envoys = started.add(istioEnvoys(api, istiod));
    const written = new Written(api);
    const { envoy: caller } = await envoys.caller('web', NAMESPACE, PORT);
    await api.admin.mustApply(callerSidecar(), tracesService);
    const receivers = new Map<string, Envoy>();
    let gateway: Envoy | undefined;
    return {
      ground: { dataPlane, trustDomain: TRUST_DOMAIN, keys: { first: `${issuers.ours.url}/keys`, second: `${issuers.others.url}/keys` } },
      spelling,
      async prepare(wanted) {
        if (wanted.some(({ needs }) => needs === 'gateway')) gateway = await openGateway(api, envoys, started);
        for (const { plan, needs } of wanted) {
          await api.admin.mustApply(usersService(plan));
          if (needs !== 'receiver') continue;
          const { envoy } = await envoys.workload({ name: plan.service, namespace: plan.namespace, port: plan.port }, 'v1');
          if (envoy) receivers.set(plan.service, envoy);
        }
      },
      async apply(plan) {
        await api.admin.mustApply(usersService(plan));
        await written.replace(plan, render(plan));
      },
      async look() {
        const held = async (envoy: Envoy): Promise<Held> => heldBy(await envoy.configDump());
        const dumped = [...receivers].map(async ([name, envoy]) => [name, await held(envoy)] as const);
        return {
          caller: await held(caller),
          receivers: new Map(await Promise.all(dumped)),
          ...(gateway ? { gateway: await held(gateway) } : {}),
        };
      },
    };
  });
}

/** Istio reads a port's protocol from `appProtocol`. */
const APP_PROTOCOLS = { http: 'http', http2: 'kubernetes.io/h2c', grpc: 'grpc' } as const;

function usersService({ service, namespace, selector, port, protocol }: ServicePlan): KubeObject {
  const ports = [{ name: 'calls', port, targetPort: port, appProtocol: APP_PROTOCOLS[protocol] }];
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: service, namespace }, spec: { selector: { ...selector }, ports } };
}

const tracesService: KubeObject = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'traces', namespace: NAMESPACE },
  spec: { ports: [{ name: 'grpc', port: 4317 }] },
};

/** The caller's, with a door for TLS beside the one for HTTP. */
function callerSidecar(): KubeObject {
  const door = (port: number, protocol: string, bind: string) => ({
    port: { number: port, protocol, name: protocol.toLowerCase() },
    bind,
    captureMode: 'NONE',
    hosts: ['*/*'],
  });
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Sidecar',
    metadata: { name: 'web', namespace: NAMESPACE },
    spec: {
      workloadSelector: { labels: { 'conformance/workload': 'web' } },
      egress: [door(PORT, 'HTTP', loopbackAddress()), door(TLS_PORT, 'TLS', loopbackAddress())],
    },
  };
}

/** A Gateway of Istio's own. */
export async function openIstioGateway(api: ApiServer, envoys: IstioEnvoys): Promise<Envoy> {
  const server = { port: { number: PORT, protocol: 'HTTP', name: 'http' }, bind: loopbackAddress(), hosts: ['*/*'] };
  const envoy = await envoys.gateway('gateway', NAMESPACE);
  await api.admin.mustApply({
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'gateway', namespace: NAMESPACE },
    spec: { selector: { istio: 'gateway' }, servers: [server] },
  });
  return envoy;
}

/** A Gateway of Gateway API: one that istiod deploys nothing for, since it names the Service whose workload it is. */
export async function openKubernetesGateway(api: ApiServer, envoys: IstioEnvoys, started: Started): Promise<Envoy> {
  const network = started.add(await startNetwork());
  const pod = await network.pod('gateway');
  const metadata = { name: 'gateway', namespace: NAMESPACE };
  const labels = { istio: 'gateway' };
  await api.admin.mustApply(
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: labels, ports: [{ name: 'http', port: PORT }] } },
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'WorkloadEntry',
      metadata: { ...metadata, labels },
      spec: { address: pod.address, labels, serviceAccount: 'gateway' },
    },
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata,
      spec: {
        gatewayClassName: 'istio',
        addresses: [{ type: 'Hostname', value: `gateway.${NAMESPACE}.svc.cluster.local` }],
        listeners: [{ name: 'http', port: PORT, protocol: 'HTTP', allowedRoutes: { namespaces: { from: 'All' } } }],
      },
    },
  );
  return envoys.gateway('gateway', NAMESPACE, pod);
}
