/**
 * The data planes that a mesh names, each reached by its own kind's connector: the one place that knows all of them. So it is for their trust,
 * but for plain Envoys, whose leafs are signed here.
 */
import { consulOf, consulTrustOf } from './adapters/consul-data-plane.ts';
import { istiodSigning } from './adapters/istiod-signing.ts';
import { keyVaultSecrets } from './adapters/key-vault-secrets.ts';
import { linkerdIdentity } from './adapters/linkerd-identity.ts';
import { type ClusterSources, namedClusters } from './adapters/named-cluster.ts';
import { remoteDataPlanes } from './adapters/remote-data-plane.ts';
import { xdsPoke } from './adapters/xds-poke.ts';
import { envoyDataPlane } from './dataplanes/envoy/observe.ts';
import { gatewayApiDataPlane } from './dataplanes/gateway-api/data-plane.ts';
import { addOnTrust } from './dataplanes/istio/add-on-trust.ts';
import { istioDataPlane } from './dataplanes/istio/data-plane.ts';
import { AKS_NAMESPACE, istioTrust } from './dataplanes/istio/trust.ts';
import { linkerdDataPlane } from './dataplanes/linkerd/data-plane.ts';
import { linkerdTrust } from './dataplanes/linkerd/trust.ts';
import { osmDataPlane } from './dataplanes/osm/data-plane.ts';
import { namedSetting, type Settings } from './environment.ts';
import type { Documents } from './journal/documents.ts';
import type { DataPlane } from './reconcile/data-plane.ts';
import { decidedRevision } from './reconcile/model.ts';
import type { DataPlaneSpec, MeshSpec } from './spec/schema.ts';
import type { DataPlaneTrust } from './trust/data-plane-trust.ts';
import { livesOf } from './trust/timing.ts';

type Lives = ReturnType<typeof livesOf>;

/** `undefined`: the spec does not say how it is reached. `credential`: who we are on Azure. */
export function namedDataPlanes(
  documents: Documents,
  settings: Settings,
  credential: ClusterSources['credential'],
): (mesh: MeshSpec, dataPlane: DataPlaneSpec) => DataPlane | undefined {
  const clusterOf = namedClusters({ setting: namedSetting, credential, now: Date.now });
  const remote = remoteDataPlanes(Date.now);
  const poke = xdsPoke(settings.MESHWRIGHT_XDS_URL);

  function farAway(dataPlane: Exclude<DataPlaneSpec, { kind: 'envoy' }>): DataPlane | undefined {
    if (dataPlane.kind === 'consul') {
      return consulOf(dataPlane, namedSetting, (mesh, service) => decidedRevision(documents, mesh, service));
    }
    if (dataPlane.cluster === undefined) return undefined;
    const { takeOver, observe } = dataPlane;
    const options = { cluster: clusterOf(dataPlane.cluster), documents, takeOver, observe };
    switch (dataPlane.kind) {
      case 'istio': {
        const { controlPlaneNamespace, revision } = dataPlane;
        return istioDataPlane({ ...options, controlPlaneNamespace, ...(revision === undefined ? {} : { revision }) });
      }
      case 'gateway-api': {
        const { controlPlaneNamespace, experimental } = dataPlane;
        return gatewayApiDataPlane({ ...options, controlPlaneNamespace, experimental });
      }
      case 'linkerd':
        return linkerdDataPlane(options);
      case 'osm':
        return osmDataPlane({ ...options, controlPlaneNamespace: dataPlane.controlPlaneNamespace });
    }
  }

  return (mesh, dataPlane) => {
    if (dataPlane.kind === 'envoy') return envoyDataPlane(documents, dataPlane.name, poke);
    const reached = farAway(dataPlane);
    return reached && remote(`${mesh.name}/${dataPlane.name}`, reached);
  };
}

/** `undefined`: this build cannot change whom its workloads trust, or the spec does not say how it is reached. */
export function namedTrust(
  credential: ClusterSources['credential'],
): (mesh: MeshSpec, dataPlane: DataPlaneSpec) => DataPlaneTrust | undefined {
  const clusterOf = namedClusters({ setting: namedSetting, credential, now: Date.now });
  const known = new Map<string, DataPlaneTrust>();

  function made(dataPlane: DataPlaneSpec, lives: Lives): DataPlaneTrust | undefined {
    if (dataPlane.kind === 'envoy' || dataPlane.kind === 'consul' || dataPlane.cluster === undefined) return undefined;
    const cluster = clusterOf(dataPlane.cluster);
    const common = { cluster, dataPlane: dataPlane.name, takeOver: dataPlane.takeOver };
    if (dataPlane.kind === 'linkerd') {
      const { controlPlaneNamespace = 'linkerd' } = dataPlane;
      return linkerdTrust({ ...common, lives, identity: linkerdIdentity(cluster), controlPlaneNamespace, now: Date.now });
    }
    if (dataPlane.kind !== 'istio') return undefined;
    const { controlPlaneNamespace, caSecrets: names } = dataPlane;
    const options = { ...common, leafLifeMs: lives.leafLifeMs, signing: istiodSigning(cluster), controlPlaneNamespace };
    if (names) return addOnTrust({ ...options, names, secrets: keyVaultSecrets({ url: names.vault, credential }) });
    // What is written into the add-on's cluster is overwritten from its vault.
    return controlPlaneNamespace === AKS_NAMESPACE ? undefined : istioTrust(options);
  }

  return ({ certificates }, dataPlane) => {
    if (!certificates) return undefined;
    if (dataPlane.kind === 'consul') return consulTrustOf(dataPlane, namedSetting, certificates.leafLifeMs);
    // One for all who use it, so that they share its looks.
    const key = JSON.stringify([dataPlane, certificates.leafLifeMs]);
    const trust = known.get(key) ?? made(dataPlane, livesOf(certificates));
    if (trust) known.set(key, trust);
    return trust;
  };
}
