/**
 * A real istiod on an API server, on free ports of 127.0.0.1, configured so that a stock Envoy takes what it pushes: no filters
 * that only Istio's own build of Envoy has, and nothing injected or validated by webhooks.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Json, JsonObject } from '../../src/journal/documents.ts';
import { until } from '../e2e/until.ts';
import { freePorts } from '../real-envoy.ts';
import type { ApiServer } from './api-server.ts';
import { LOOPBACK, type Running, type ServerProcess, startingTogether, startServer } from './process.ts';
import { serverBinary } from './servers/build.ts';

export const ISTIO_NAMESPACE = 'istio-system';
export const TRUST_DOMAIN = 'cluster.local';

export interface Istiod extends Running {
  readonly namespace: string;
  readonly xdsPort: number;
  /** TLS: xDS and the service that signs certificate requests; its certificate is for `istiod.<namespace>.svc`. */
  readonly securePort: number;
  /** `/debug/…`, `/metrics`, `/version` without credentials, since it is asked from localhost. */
  readonly monitoringPort: number;
  /** `/ready`, and `/debug/…` as the monitoring port. */
  readonly httpPort: number;
  /** PEM of the mesh's roots, as istiod hands it to every namespace. */
  readonly roots: string;
  debug(path: string): Promise<Json>;
  readonly process: ServerProcess;
}

export interface IstiodOptions {
  /** Fields of MeshConfig besides trust domain, cluster domain and telemetry. */
  readonly mesh?: JsonObject;
  readonly environment?: Readonly<Record<string, string>>;
  readonly arguments?: readonly string[];
  /** Its own, and the mesh's root namespace. */
  readonly namespace?: string;
}

/** `api` has the CRDs `istio`, and `gateway-api` if that is used. Some 2 s. */
export async function startIstiod(
  api: ApiServer,
  { mesh = {}, environment = {}, arguments: more = [], namespace = ISTIO_NAMESPACE }: IstiodOptions = {},
): Promise<Istiod> {
  const command = await serverBinary('pilot-discovery');
  return startingTogether(async (started) => {
    const folder = await started.folder('istiod');
    const [xdsPort = 0, securePort = 0, monitoringPort = 0, httpPort = 0] = await freePorts(4);
    await api.namespace(namespace);
    await writeFile(join(folder, 'kubeconfig'), api.kubeconfig(), { mode: 0o600 });
    const config = { trustDomain: TRUST_DOMAIN, rootNamespace: namespace, defaultProviders: {}, ...mesh };
    await writeFile(join(folder, 'mesh.yaml'), JSON.stringify(config));
    const at = (port: number) => `${LOOPBACK}:${port}`;
    const process = started.add(
      await startServer({
        name: 'istiod',
        command,
        arguments: [
          'discovery',
          `--kubeconfig=${join(folder, 'kubeconfig')}`,
          `--meshConfig=${join(folder, 'mesh.yaml')}`,
          `--networksConfig=${join(folder, 'networks.yaml')}`,
          `--grpcAddr=${at(xdsPort)}`,
          `--secureGRPCAddr=${at(securePort)}`,
          `--monitoringAddr=${at(monitoringPort)}`,
          `--httpAddr=${at(httpPort)}`,
          '--httpsAddr=',
          '--ctrlz_port=0',
          '--shutdownDuration=0s',
          ...more,
        ],
        environment: {
          POD_NAME: 'istiod',
          POD_NAMESPACE: namespace,
          PILOT_ENABLE_METADATA_EXCHANGE: 'false',
          PILOT_ENABLE_ALPN_FILTER: 'false',
          INJECTION_WEBHOOK_CONFIG_NAME: '',
          VALIDATION_WEBHOOK_CONFIG_NAME: '',
          ...environment,
        },
        folder,
        ready: async () => (await fetch(`http://${at(httpPort)}/ready`)).ok,
      }),
    );
    const roots = await until('istiod has given out its roots', () => rootsIn(api, 'default'));
    const debug = async (path: string): Promise<Json> => {
      const response = await fetch(`http://${at(monitoringPort)}${path}`);
      const text = await response.text();
      if (!response.ok) throw new Error(`istiod answered ${response.status} to ${path}: ${text}`);
      return JSON.parse(text);
    };
    return { namespace, xdsPort, securePort, monitoringPort, httpPort, roots, debug, process };
  });
}

/** Of the ConfigMap that every namespace gets. */
export async function rootsIn(api: ApiServer, namespace: string): Promise<string> {
  const { body } = await api.admin.ask('GET', `/api/v1/namespaces/${namespace}/configmaps/istio-ca-root-cert`);
  return z.object({ data: z.object({ 'root-cert.pem': z.string() }) }).parse(body).data['root-cert.pem'];
}
