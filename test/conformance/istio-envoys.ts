/**
 * Workloads and callers of an Istio mesh without pods: stock Envoys on addresses of 127/8, described to istiod as WorkloadEntries
 * that real Services select. Nothing captures traffic: callers send to their Envoy's listener with the service's name as Host.
 */
import type { JsonObject } from '../../src/journal/documents.ts';
import type { Target } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import type { ApiServer } from './api-server.ts';
import { type Backend, startBackend } from './backend.ts';
import { type Envoy, grpcCluster, loopbackAddress, startEnvoy } from './envoy.ts';
import { type SdsServer, startSdsServer } from './istio-identity.ts';
import { type Istiod, rootsIn } from './istiod.ts';
import type { Pod } from './network.ts';
import { LOOPBACK, Started } from './process.ts';

const NETWORKING = 'networking.istio.io/v1';

export interface IstioService {
  readonly name: string;
  readonly namespace: string;
  /** Of the service and of its workloads. */
  readonly port: number;
}

export interface IstioWorkload {
  readonly backend: Backend;
  /** Where its Envoy listens, or itself where it has none. */
  readonly address: string;
  /** Of the proxy, and of a pod if there were one. */
  readonly name: string;
  /** absent: it is not in the mesh. */
  readonly envoy?: Envoy;
  readonly agent?: SdsServer;
}

export interface IstioCaller {
  readonly envoy: Envoy;
  readonly agent: SdsServer;
  /** Its own address, for the service's port. */
  readonly address: string;
  /** For `ask` and `sendRequests`. */
  to(service: IstioService, request?: Pick<Target, 'path' | 'headers' | 'method'>): Target;
}

export interface IstioEnvoys extends AsyncDisposable {
  /** A Service that selects `app: <name>`; its namespace is made if need be. */
  service(service: IstioService): Promise<IstioService>;
  /** A backend labelled `app: <name>, version: <version>`, behind an Envoy that speaks mTLS unless `sidecar` is false. */
  workload(service: IstioService, version: string, options?: { sidecar?: boolean; serviceAccount?: string }): Promise<IstioWorkload>;
  /** An Envoy that calls services on `port`, as `namespace`/`name`, which is its service account too. */
  caller(name: string, namespace: string, port: number): Promise<IstioCaller>;
  /**
   * An Envoy labelled `istio: <name>`, for a Gateway to select: it listens where the Gateway says (`bind`), which for one of Gateway
   * API is everywhere, so that it wants a `pod`.
   */
  gateway(name: string, namespace: string, pod?: Pod): Promise<Envoy>;
  stop(): Promise<void>;
}

/** `leafSeconds`: what gives Envoys their certificates renews them, and follows the roots; left out, they count for a day. */
export function istioEnvoys(api: ApiServer, istiod: Istiod, { leafSeconds }: { readonly leafSeconds?: number } = {}): IstioEnvoys {
  const started = new Started();
  let count = 0;

  async function attach(proxy: Proxy, kind: 'sidecar' | 'router' = 'sidecar', pod?: Pod): Promise<{ envoy: Envoy; agent: SdsServer }> {
    const node = nodeOf(proxy, kind);
    await until('istiod has told the namespace its roots', () => rootsIn(api, proxy.namespace));
    const agent = started.add(await startSdsServer(api, istiod, proxy, leafSeconds === undefined ? undefined : { node, leafSeconds }));
    const bootstrap = istioBootstrap(istiod.xdsPort, agent.port, node);
    for (const port of [istiod.xdsPort, agent.port]) await pod?.expose(port, port);
    return { agent, envoy: started.add(await startEnvoy({ name: proxy.name, bootstrap, ...(pod ? { pod } : {}) })) };
  }

  return {
    async service(service) {
      const { name, namespace, port } = service;
      await api.namespace(namespace);
      await api.admin.mustApply({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name, namespace },
        spec: { selector: { app: name }, ports: [{ name: 'http', port, targetPort: port }] },
      });
      return service;
    },

    async workload({ name: app, namespace, port }, version, { sidecar = true, serviceAccount = app } = {}) {
      count += 1;
      const name = `${app}-${count}`;
      const address = loopbackAddress();
      const backend = started.add(await (sidecar ? startBackend(version) : startBackend(version, address, port)));
      const labels = { app, version, 'conformance/workload': name };
      // Left out, one with a service account is taken for one with a sidecar.
      const tls = { 'security.istio.io/tlsMode': sidecar ? 'istio' : 'disabled' };
      await api.admin.mustApply(...(sidecar ? [inboundSidecar(name, namespace, address, port, backend.port)] : []), {
        apiVersion: NETWORKING,
        kind: 'WorkloadEntry',
        metadata: { name, namespace, labels: { ...labels, ...tls } },
        spec: { address, labels: { ...labels, ...tls }, serviceAccount },
      });
      if (!sidecar) return { backend, address, name };
      return { backend, address, name, ...(await attach({ name, namespace, address, labels, serviceAccount })) };
    },

    async caller(name, namespace, port) {
      const address = loopbackAddress();
      await api.namespace(namespace);
      await api.admin.mustApply({
        apiVersion: NETWORKING,
        kind: 'Sidecar',
        metadata: { name, namespace },
        spec: {
          workloadSelector: { labels: { 'conformance/workload': name } },
          egress: [{ port: { number: port, protocol: 'HTTP', name: 'http' }, bind: address, captureMode: 'NONE', hosts: ['*/*'] }],
        },
      });
      const labels = { app: name, 'conformance/workload': name };
      const attached = await attach({ name, namespace, address, labels, serviceAccount: name });
      return {
        ...attached,
        address,
        to: (service, request = {}) => ({ address, port, host: `${service.name}.${service.namespace}`, ...request }),
      };
    },

    async gateway(name, namespace, pod) {
      await api.namespace(namespace);
      const address = pod?.address ?? loopbackAddress();
      return (await attach({ name, namespace, address, labels: { istio: name }, serviceAccount: name }, 'router', pod)).envoy;
    },

    stop: () => started.stop(),
    [Symbol.asyncDispose]: () => started.stop(),
  };
}

function inboundSidecar(name: string, namespace: string, address: string, port: number, backendPort: number) {
  return {
    apiVersion: NETWORKING,
    kind: 'Sidecar',
    metadata: { name, namespace },
    spec: {
      workloadSelector: { labels: { 'conformance/workload': name } },
      ingress: [
        {
          port: { number: port, protocol: 'HTTP', name: 'http' },
          bind: address,
          captureMode: 'NONE',
          defaultEndpoint: `${LOOPBACK}:${backendPort}`,
        },
      ],
      egress: [{ hosts: ['./*'], port: { number: port, protocol: 'HTTP', name: 'http' }, bind: loopbackAddress(), captureMode: 'NONE' }],
    },
  };
}

interface Proxy {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
}

/** Id and metadata as Istio's agent writes them (pkg/bootstrap). */
const nodeOf = ({ name, namespace, address, labels, serviceAccount }: Proxy, kind: 'sidecar' | 'router') => ({
  id: `${kind}~${address}~${name}.${namespace}~${namespace}.svc.cluster.local`,
  cluster: `${name}.${namespace}`,
  metadata: {
    NAME: name,
    NAMESPACE: namespace,
    CLUSTER_ID: 'Kubernetes',
    MESH_ID: 'cluster.local',
    ISTIO_VERSION: '1.31.0',
    SERVICE_ACCOUNT: serviceAccount,
    LABELS: { ...labels },
    INSTANCE_IPS: address,
    PROXY_CONFIG: {},
    INTERCEPTION_MODE: 'NONE',
  },
});

/** `sds-grpc` is the name istiod's configuration refers to. */
function istioBootstrap(xdsPort: number, sdsPort: number, node: JsonObject): JsonObject {
  const fromAds = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' };
  return {
    node,
    dynamic_resources: {
      ads_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
      cds_config: fromAds,
      lds_config: fromAds,
    },
    static_resources: { clusters: [grpcCluster('xds-grpc', LOOPBACK, xdsPort), grpcCluster('sds-grpc', LOOPBACK, sdsPort)] },
  };
}
