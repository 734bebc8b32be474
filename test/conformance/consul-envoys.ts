/**
 * Workloads and callers of a Consul mesh: stock Envoys as sidecars of services that the agent has been told of. They get their
 * certificates over xDS; callers send to a port of 127.0.0.1 that is one upstream's.
 */
import type { JsonObject } from '../../src/journal/documents.ts';
import type { Target } from '../e2e/traffic.ts';
import { freePorts } from '../real-envoy.ts';
import { type Backend, startBackend } from './backend.ts';
import type { Consul } from './consul.ts';
import { type Envoy, grpcCluster, startEnvoy } from './envoy.ts';
import { LOOPBACK, Started } from './process.ts';

export interface ConsulWorkload {
  /** Of the service instance; that of its proxy is `<id>-sidecar-proxy`. */
  readonly id: string;
  readonly backend: Backend;
  readonly envoy: Envoy;
}

export interface ConsulCaller {
  readonly envoy: Envoy;
  /** For `ask` and `sendRequests`; the service is one of its upstreams. */
  to(service: string, request?: Pick<Target, 'path' | 'headers' | 'method'>): Target;
}

export interface ConsulEnvoys extends AsyncDisposable {
  /** An instance of `service` with `version` among its Meta, behind an Envoy that speaks mTLS. */
  workload(service: string, version: string, meta?: Readonly<Record<string, string>>): Promise<ConsulWorkload>;
  /** An Envoy of the service `name`, which intentions know it by. */
  caller(name: string, upstreams: readonly string[]): Promise<ConsulCaller>;
  stop(): Promise<void>;
}

export function consulEnvoys(consul: Consul): ConsulEnvoys {
  const started = new Started();
  let count = 0;

  async function register(service: JsonObject): Promise<void> {
    const { status, body } = await consul.ask('PUT', '/v1/agent/service/register', service);
    if (status !== 200) throw new Error(`Consul did not take the service (${status}): ${JSON.stringify(body)}`);
  }

  /** `proxy`: LocalServicePort or Upstreams. Without a check of its own, the agent's default one is critical at first. */
  const sidecar = (port: number, proxy: JsonObject): JsonObject => ({
    Address: LOOPBACK,
    Port: port,
    Proxy: { ...proxy, Config: { protocol: 'http' } },
    Checks: [{ Name: 'listening', TCP: `${LOOPBACK}:${port}`, Interval: '1s', Status: 'passing' }],
  });

  const attach = async (id: string, service: string): Promise<Envoy> =>
    started.add(await startEnvoy({ name: id, bootstrap: consulBootstrap(consul, `${id}-sidecar-proxy`, service) }));

  return {
    async workload(service, version, meta = {}) {
      count += 1;
      const id = `${service}-${count}`;
      const backend = started.add(await startBackend(version));
      const [port = 0] = await freePorts(1);
      await register({
        ID: id,
        Name: service,
        Address: LOOPBACK,
        Port: backend.port,
        Meta: { version, ...meta },
        Connect: { SidecarService: sidecar(port, { LocalServiceAddress: LOOPBACK, LocalServicePort: backend.port }) },
      });
      return { id, backend, envoy: await attach(id, service) };
    },

    async caller(name, upstreams) {
      const [port = 0, ...local] = await freePorts(upstreams.length + 1);
      const ports = new Map(upstreams.map((service, position) => [service, local[position] ?? 0]));
      const Upstreams = [...ports].map(([DestinationName, LocalBindPort]) => ({
        DestinationName,
        LocalBindAddress: LOOPBACK,
        LocalBindPort,
      }));
      await register({ ID: name, Name: name, Port: port, Connect: { SidecarService: sidecar(port, { Upstreams }) } });
      const envoy = await attach(name, name);
      return {
        envoy,
        to(service, request = {}) {
          const upstream = ports.get(service);
          if (upstream === undefined) throw new Error(`${name} has no upstream ${service}.`);
          return { port: upstream, host: service, ...request };
        },
      };
    },

    stop: () => started.stop(),
    [Symbol.asyncDispose]: () => started.stop(),
  };
}

/** As `consul connect envoy -bootstrap` writes it, but for its statistics. */
function consulBootstrap({ grpcPort, managementToken }: Consul, proxyId: string, service: string): JsonObject {
  const fromAds = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' };
  return {
    node: { id: proxyId, cluster: service, metadata: { namespace: 'default', partition: 'default' } },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [
          { envoy_grpc: { cluster_name: 'local_agent' }, initial_metadata: [{ key: 'x-consul-token', value: managementToken }] },
        ],
      },
      cds_config: fromAds,
      lds_config: fromAds,
    },
    static_resources: { clusters: [grpcCluster('local_agent', LOOPBACK, grpcPort)] },
  };
}
