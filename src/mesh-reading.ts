/**
 * What running meshes have, for those who import it: every object of the kinds that `src/import` reads, listed through the adapters, and
 * nothing written.
 */
import { readConsulConfig } from './adapters/consul-config.ts';
import { readKubeconfig } from './adapters/kubeconfig.ts';
import { kubernetesCluster } from './adapters/kubernetes-cluster.ts';
import type { Cluster, ListOutcome } from './dataplanes/kubernetes/cluster.ts';

export interface MeshReading {
  /** As a server gave them, `apiVersion` and `kind` included. */
  readonly values: readonly unknown[];
  /** What could not be listed, and why. */
  readonly missing: readonly string[];
}

/** By group: the versions to ask for, newest first, and plural and kind of what is in it. */
const READ: readonly { readonly group: string; readonly versions: readonly string[]; readonly kinds: Readonly<Record<string, string>> }[] =
  [
    { group: '', versions: ['v1'], kinds: { services: 'Service' } },
    { group: 'apps', versions: ['v1'], kinds: { deployments: 'Deployment', statefulsets: 'StatefulSet', daemonsets: 'DaemonSet' } },
    {
      group: 'networking.istio.io',
      versions: ['v1', 'v1beta1'],
      kinds: {
        virtualservices: 'VirtualService',
        destinationrules: 'DestinationRule',
        serviceentries: 'ServiceEntry',
        sidecars: 'Sidecar',
      },
    },
    { group: 'networking.istio.io', versions: ['v1alpha3'], kinds: { envoyfilters: 'EnvoyFilter' } },
    {
      group: 'security.istio.io',
      versions: ['v1', 'v1beta1'],
      kinds: {
        peerauthentications: 'PeerAuthentication',
        authorizationpolicies: 'AuthorizationPolicy',
        requestauthentications: 'RequestAuthentication',
      },
    },
    { group: 'telemetry.istio.io', versions: ['v1', 'v1alpha1'], kinds: { telemetries: 'Telemetry' } },
    { group: 'split.smi-spec.io', versions: ['v1alpha2'], kinds: { trafficsplits: 'TrafficSplit' } },
    { group: 'access.smi-spec.io', versions: ['v1alpha3'], kinds: { traffictargets: 'TrafficTarget' } },
    { group: 'specs.smi-spec.io', versions: ['v1alpha4'], kinds: { httproutegroups: 'HTTPRouteGroup', tcproutes: 'TCPRoute' } },
    {
      group: 'policy.openservicemesh.io',
      versions: ['v1alpha1'],
      kinds: { upstreamtrafficsettings: 'UpstreamTrafficSetting', retries: 'Retry', egresses: 'Egress', ingressbackends: 'IngressBackend' },
    },
    { group: 'config.openservicemesh.io', versions: ['v1alpha2'], kinds: { meshconfigs: 'MeshConfig' } },
    { group: 'gateway.networking.k8s.io', versions: ['v1', 'v1beta1'], kinds: { httproutes: 'HTTPRoute' } },
    { group: 'gateway.networking.k8s.io', versions: ['v1'], kinds: { grpcroutes: 'GRPCRoute' } },
    { group: 'policy.linkerd.io', versions: ['v1beta3', 'v1beta2', 'v1beta1'], kinds: { servers: 'Server' } },
    {
      group: 'policy.linkerd.io',
      versions: ['v1alpha1'],
      kinds: {
        authorizationpolicies: 'AuthorizationPolicy',
        meshtlsauthentications: 'MeshTLSAuthentication',
        networkauthentications: 'NetworkAuthentication',
      },
    },
    { group: 'linkerd.io', versions: ['v1alpha2'], kinds: { serviceprofiles: 'ServiceProfile' } },
    {
      group: 'consul.hashicorp.com',
      versions: ['v1alpha1'],
      kinds: {
        servicedefaults: 'ServiceDefaults',
        serviceresolvers: 'ServiceResolver',
        servicesplitters: 'ServiceSplitter',
        servicerouters: 'ServiceRouter',
        serviceintentions: 'ServiceIntentions',
      },
    },
    { group: 'flagger.app', versions: ['v1beta1'], kinds: { canaries: 'Canary' } },
    { group: 'argoproj.io', versions: ['v1alpha1'], kinds: { rollouts: 'Rollout' } },
  ];

/** Of all namespaces. Rejects with a sentence when the kubeconfig cannot be used or the API server does not answer. */
export async function readClusterMesh(kubeconfig: string, context?: string): Promise<MeshReading> {
  const read = await readKubeconfig(kubeconfig, context);
  if ('message' in read) throw new Error(read.message);
  return listMesh(kubernetesCluster({ config: () => readKubeconfig(kubeconfig, context) }));
}

/** Kinds that are not installed are no trouble; those that may not be listed are said. */
export async function listMesh(cluster: Pick<Cluster, 'list'>): Promise<MeshReading> {
  const values: unknown[] = [];
  const missing: string[] = [];
  for (const { group, versions, kinds } of READ)
    for (const [plural, kind] of Object.entries(kinds)) {
      const { apiVersion, outcome } = await listNewest(cluster, { group, versions, kind, plural });
      // A list's own items say neither.
      if (outcome.kind === 'listed') values.push(...outcome.objects.map((object) => ({ ...object, apiVersion, kind })));
      else if (outcome.status !== 404) missing.push(outcome.message);
    }
  return { values, missing };
}

async function listNewest(
  cluster: Pick<Cluster, 'list'>,
  {
    group,
    versions,
    kind,
    plural,
  }: { readonly group: string; readonly versions: readonly string[]; readonly kind: string; readonly plural: string },
): Promise<{ readonly apiVersion: string; readonly outcome: ListOutcome }> {
  let last: { readonly apiVersion: string; readonly outcome: ListOutcome } | undefined;
  for (const version of versions) {
    const apiVersion = group === '' ? version : `${group}/${version}`;
    last = { apiVersion, outcome: await cluster.list({ apiVersion, kind, plural }, {}) };
    if (last.outcome.kind === 'listed' || last.outcome.status !== 404) return last;
  }
  if (!last) throw new RangeError(`no version of ${plural} is known`);
  return last;
}

const UNSEEN =
  'the token may not ask the agent for its configuration: what it may not read Consul leaves out of its lists without a word. Give one with `service_prefix "" { policy = "read" intentions = "read" }` and `agent_prefix "" { policy = "read" }`';

export interface ConsulReading extends MeshReading {
  readonly defaultPolicy?: 'allow' | 'deny';
}

/** Rejects with a sentence when Consul does not answer or refuses. */
export async function readConsulMesh(address: string, token?: string): Promise<ConsulReading> {
  const { entries, ...policy } = await readConsulConfig(address, token);
  const missing = policy.defaultPolicy === undefined ? [UNSEEN] : [];
  return { values: entries, missing, ...policy };
}
