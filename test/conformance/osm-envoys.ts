/**
 * Workloads and callers of an OSM mesh, each in a network namespace, since OSM's listeners are 0.0.0.0:15001 and 0.0.0.0:15003. Nothing
 * rewrites addresses: services have port 15001, which callers' Envoys listen on, and target port 15003, which workloads' do.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { JsonObject } from '../../src/journal/documents.ts';
import type { Target } from '../e2e/traffic.ts';
import type { ApiServer } from './api-server.ts';
import { type Backend, startBackend } from './backend.ts';
import { type Envoy, grpcCluster, startEnvoy } from './envoy.ts';
import type { Pod } from './network.ts';
import { OSM_MESH, OSM_TRUST_DOMAIN, OSM_XDS_PORT, type Osm } from './osm.ts';
import { Started } from './process.ts';
import { issueLeaf } from './x509.ts';

/** Of every service, by whatever name it is called. */
export const OSM_SERVICE_PORT = 15_001;
const TARGET_PORT = 15_003;

export interface OsmService {
  readonly name: string;
  readonly namespace: string;
  /** Of the pods behind it; `app: <name>` unless said. */
  readonly selector?: Readonly<Record<string, string>>;
}

export interface OsmWorkload {
  readonly backend: Backend;
  readonly envoy: Envoy;
}

export interface OsmCaller {
  readonly envoy: Envoy;
  /** For `ask` and `sendRequests`. */
  to(service: OsmService, request?: Pick<Target, 'path' | 'headers' | 'method'>): Promise<Target>;
}

export interface OsmEnvoys extends AsyncDisposable {
  /** A Service on OSM_SERVICE_PORT whose Endpoints are kept by hand; its namespace joins the mesh. */
  service(service: OsmService): Promise<OsmService>;
  /** A pod labelled `app: <app>, version: <version>`, of the service account `app` unless said. */
  workload(namespace: string, app: string, version: string, serviceAccount?: string): Promise<OsmWorkload>;
  /** A pod that calls; its service account has its name. */
  caller(namespace: string, name: string): Promise<OsmCaller>;
  stop(): Promise<void>;
}

interface Workload {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly address: string;
}

const Clustered = z.object({ spec: z.object({ clusterIP: z.ipv4() }) });

export function osmEnvoys(api: ApiServer, osm: Osm): OsmEnvoys {
  const started = new Started();
  const services: OsmService[] = [];
  const workloads: Workload[] = [];

  const join = (namespace: string) => api.namespace(namespace, { 'openservicemesh.io/monitored-by': OSM_MESH });

  /** The part of a controller manager that makes Endpoints. */
  async function keepEndpoints(): Promise<void> {
    for (const { name, namespace, selector = { app: name } } of services) {
      const behind = workloads.filter(
        (workload) => workload.namespace === namespace && Object.entries(selector).every(([key, value]) => workload.labels[key] === value),
      );
      const addresses = behind.map(({ address }) => ({ ip: address }));
      const subsets = addresses.length === 0 ? [] : [{ addresses, ports: [{ name: 'http', port: TARGET_PORT }] }];
      await api.admin.mustApply({ apiVersion: 'v1', kind: 'Endpoints', metadata: { name, namespace }, subsets });
    }
  }

  async function attach(
    pod: Pod,
    namespace: string,
    name: string,
    labels: Readonly<Record<string, string>>,
    account: string,
  ): Promise<Envoy> {
    const uuid = randomUUID();
    const metadata = { name, namespace };
    await api.admin.mustApply(
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: account, namespace } },
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...metadata, labels: { ...labels, 'osm-proxy-uuid': uuid } },
        spec: { serviceAccountName: account, containers: [{ name: 'app', image: 'app' }] },
      },
    );
    const podIP = { podIP: pod.address, podIPs: [{ ip: pod.address }], phase: 'Running' };
    const status = { apiVersion: 'v1', kind: 'Pod', metadata, status: podIP };
    const path = `${await api.admin.pathOf({ apiVersion: 'v1', kind: 'Pod', metadata }, 'status')}?fieldManager=conformance-kubelet&force=true`;
    const answer = await api.admin.ask('PATCH', path, status, 'application/apply-patch+yaml');
    if (answer.status !== 200) throw new Error(`The pod's status was not taken: ${JSON.stringify(answer.body)}`);
    const commonName = `${uuid}.sidecar.${account}.${namespace}.${OSM_TRUST_DOMAIN}`;
    return started.add(await startEnvoy({ name, pod, bootstrap: osmBootstrap(osm, commonName) }));
  }

  return {
    async service(service) {
      const { name, namespace, selector = { app: name } } = service;
      await join(namespace);
      await api.admin.mustApply({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name, namespace },
        spec: { selector, ports: [{ name: 'http', port: OSM_SERVICE_PORT, targetPort: TARGET_PORT }] },
      });
      services.push(service);
      await keepEndpoints();
      return service;
    },

    async workload(namespace, app, version, serviceAccount = app) {
      await join(namespace);
      const backend = started.add(await startBackend(version));
      const pod = await osm.network.pod(app);
      await pod.expose(TARGET_PORT, backend.port);
      const labels = { app, version };
      workloads.push({ namespace, labels, address: pod.address });
      // Before its Envoy asks: OSM takes the target port from Endpoints, and would send a listener for port 0.
      await keepEndpoints();
      const envoy = await attach(pod, namespace, `${app}-${version}-${workloads.length}`, labels, serviceAccount);
      return { backend, envoy };
    },

    async caller(namespace, name) {
      await join(namespace);
      const pod = await osm.network.pod(name);
      const envoy = await attach(pod, namespace, name, { app: name }, name);
      const ports = new Map<string, number>();
      return {
        envoy,
        async to(service, request = {}) {
          const path = `/api/v1/namespaces/${service.namespace}/services/${service.name}`;
          const { clusterIP } = Clustered.parse((await api.admin.ask('GET', path)).body).spec;
          if (!ports.has(clusterIP)) {
            // Its Envoy tells services apart by the address that was called.
            await pod.own(clusterIP);
            ports.set(clusterIP, await pod.reach(OSM_SERVICE_PORT, clusterIP));
          }
          return { port: ports.get(clusterIP) ?? 0, host: `${service.name}.${service.namespace}`, ...request };
        },
      };
    },

    stop: () => started.stop(),
    [Symbol.asyncDispose]: () => started.stop(),
  };
}

/** As OSM's injector writes it (pkg/envoy/bootstrap), with the certificate inline. */
function osmBootstrap({ network, authority }: Osm, commonName: string): JsonObject {
  const { chain, key } = issueLeaf(authority.certificate, authority.key, commonName);
  const tls = {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      common_tls_context: {
        alpn_protocols: ['h2'],
        tls_certificates: [{ certificate_chain: { inline_string: chain }, private_key: { inline_string: key } }],
        validation_context: { trusted_ca: { inline_string: authority.certificate } },
      },
    },
  };
  const fromAds = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' };
  return {
    node: { id: commonName, cluster: commonName },
    dynamic_resources: {
      ads_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'osm-controller' } }],
      },
      cds_config: fromAds,
      lds_config: fromAds,
    },
    static_resources: { clusters: [grpcCluster('osm-controller', network.node.address, OSM_XDS_PORT, { transport_socket: tls })] },
  };
}
