/**
 * A real osm-controller on an API server, in a network of its own since it binds every interface. It reaches the API server
 * through a relay, with a pod's credentials.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { JsonObject } from '../../src/journal/documents.ts';
import { until } from '../e2e/until.ts';
import type { ApiServer } from './api-server.ts';
import { type PodNetwork, startNetwork } from './network.ts';
import { LOOPBACK, type Running, type ServerProcess, startingTogether, startServer } from './process.ts';
import { serverBinary } from './servers/build.ts';

export const OSM_NAMESPACE = 'osm-system';
export const OSM_MESH = 'osm';
export const OSM_TRUST_DOMAIN = 'cluster.local';
/** Of the network's node: gRPC over mutual TLS. */
export const OSM_XDS_PORT = 15128;

const API_PORT = 8001;
const HEALTH_PORT = 9091;
export const CA_BUNDLE = 'osm-ca-bundle';
const WEBHOOK = 'osm-validator';
/** It takes credentials from where a pod has them and from nowhere else: a mount that only it sees puts those of folder `$0` there. */
const AS_POD =
  'at=/var/run/secrets/kubernetes.io/serviceaccount; mount -t tmpfs none /var/run && mkdir -p $at && cp "$0"/token "$0"/ca.crt $at && exec "$@"';

export interface Osm extends Running {
  readonly network: PodNetwork;
  /** PEM of the mesh's authority and its key. */
  readonly authority: { readonly certificate: string; readonly key: string };
  readonly process: ServerProcess;
}

export interface OsmOptions {
  /** Everybody may call everybody, whatever TrafficTargets say; false unless said. */
  readonly permissive?: boolean;
  /** Fields of the MeshConfig's spec beside those of `traffic`. */
  readonly mesh?: JsonObject;
  /** Its authority is what MeshRootCertificates say, the first of them that of `osm-ca-bundle`; false unless said, as in its chart. */
  readonly rootCertificates?: boolean;
}

/** `api` has the CRDs `osm`. Some 3 s. Its validating webhook is taken away: the API server could not reach it. */
export async function startOsm(api: ApiServer, { permissive = false, mesh = {}, rootCertificates = false }: OsmOptions = {}): Promise<Osm> {
  const binary = await serverBinary('osm-controller');
  return startingTogether(async (started) => {
    const folder = await started.folder('osm');
    await describeItself(api, permissive, mesh);
    if (rootCertificates) await api.admin.mustApply(rootCertificate('first', CA_BUNDLE));
    const network = started.add(await startNetwork());
    await network.node.expose(API_PORT, Number(new URL(api.url).port));
    await writeFile(join(folder, 'token'), api.adminToken, { mode: 0o600 });
    await writeFile(join(folder, 'ca.crt'), api.authority);
    const health = await network.node.reach(HEALTH_PORT);
    const flags = {
      'mesh-name': OSM_MESH,
      'osm-namespace': OSM_NAMESPACE,
      'osm-service-account': 'osm',
      'validator-webhook-config': WEBHOOK,
      'ca-bundle-secret-name': CA_BUNDLE,
      'trust-domain': OSM_TRUST_DOMAIN,
      'osm-version': 'v1.2.4',
      verbosity: 'info',
      'enable-mesh-root-certificate': String(rootCertificates),
    };
    const process = started.add(
      await startServer({
        name: 'osm-controller',
        ...network.node.inside('unshare', [
          ...['--mount', 'sh', '-c', AS_POD, folder, binary],
          ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`),
        ]),
        environment: {
          KUBERNETES_SERVICE_HOST: LOOPBACK,
          KUBERNETES_SERVICE_PORT: String(API_PORT),
          CONTROLLER_POD_NAME: 'osm-controller',
        },
        folder,
        ready: async () => (await fetch(`http://${LOOPBACK}:${health}/health/ready`)).ok,
      }),
    );
    const webhooks = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
    await until('its webhook is gone', async () => (await api.admin.ask('DELETE', `${webhooks}/${WEBHOOK}`)).status === 200);
    return { network, process, authority: await authorityIn(api, CA_BUNDLE) };
  });
}

/** What `osm install` leaves behind, as far as the controller asks for it: its pod and its configuration. */
async function describeItself(api: ApiServer, permissive: boolean, mesh: JsonObject): Promise<void> {
  await api.namespace(OSM_NAMESPACE);
  await api.admin.mustApply(
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'osm-controller', namespace: OSM_NAMESPACE },
      spec: { containers: [{ name: 'osm-controller', image: 'openservicemesh/osm-controller' }] },
    },
    {
      apiVersion: 'config.openservicemesh.io/v1alpha2',
      kind: 'MeshConfig',
      metadata: { name: 'osm-mesh-config', namespace: OSM_NAMESPACE },
      spec: {
        sidecar: { enablePrivilegedInitContainer: false, logLevel: 'error', configResyncInterval: '0s' },
        observability: { enableDebugServer: false, osmLogLevel: 'info', tracing: { enable: false } },
        certificate: { serviceCertValidityDuration: '24h', certKeyBitSize: 2048 },
        featureFlags: { enableRetryPolicy: true },
        ...mesh,
        traffic: { enableEgress: false, enablePermissiveTrafficPolicyMode: permissive },
      },
    },
  );
}

/** OSM makes an authority, and the Secret that it says, where there is none. */
export const rootCertificate = (name: string, secret: string) => ({
  apiVersion: 'config.openservicemesh.io/v1alpha2',
  kind: 'MeshRootCertificate',
  metadata: { name, namespace: OSM_NAMESPACE },
  spec: { trustDomain: OSM_TRUST_DOMAIN, provider: { tresor: { ca: { secretRef: { name: secret, namespace: OSM_NAMESPACE } } } } },
});

const Bundle = z.object({ data: z.object({ 'ca.crt': z.base64(), 'private.key': z.base64() }) });

export async function authorityIn(api: ApiServer, secret: string): Promise<Osm['authority']> {
  const { body } = await api.admin.ask('GET', `/api/v1/namespaces/${OSM_NAMESPACE}/secrets/${secret}`);
  const { data } = Bundle.parse(body);
  const text = (base64: string): string => Buffer.from(base64, 'base64').toString();
  return { certificate: text(data['ca.crt']), key: text(data['private.key']) };
}
