/**
 * The data planes that a mesh names, each reached by its own kind's connector: the one place that knows all of them. So it is for their trust,
 * but for plain Envoys, whose leafs are signed here.
 */
import { consulOf, consulTrustOf } from './adapters/consul-data-plane.ts';
import { istiodSigning } from './adapters/istiod-signing.ts';
import { keyVaultSecrets } from './adapters/key-vault-secrets.ts';
import { type ClusterSources, namedClusters } from './adapters/named-cluster.ts';
import { remoteDataPlanes } from './adapters/remote-data-plane.ts';
import { xdsPoke } from './adapters/xds-poke.ts';
import { envoyDataPlane } from './dataplanes/envoy/observe.ts';
import { gatewayApiDataPlane } from './dataplanes/gateway-api/data-plane.ts';
import { addOnTrust } from './dataplanes/istio/add-on-trust.ts';
import { istioDataPlane } from './dataplanes/istio/data-plane.ts';
import { AKS_NAMESPACE, istioTrust } from './dataplanes/istio/trust.ts';
import { linkerdDataPlane } from './dataplanes/linkerd/data-plane.ts';
import { osmDataPlane } from './dataplanes/osm/data-plane.ts';
import { namedSetting, type Settings } from './environment.ts';
import type { Documents } from './journal/documents.ts';
import type { DataPlane } from './reconcile/data-plane.ts';
import { decidedRevision } from './reconcile/model.ts';
import type { DataPlaneSpec, MeshSpec } from './spec/schema.ts';
import type { DataPlaneTrust } from './trust/data-plane-trust.ts';

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
  return ({ certificates }, dataPlane) => {
    if (dataPlane.kind === 'consul' && certificates) return consulTrustOf(dataPlane, namedSetting, certificates.leafLifeMs);
    if (dataPlane.kind !== 'istio' || dataPlane.cluster === undefined || !certificates) return undefined;
    const { name, controlPlaneNamespace, takeOver, caSecrets: names } = dataPlane;
    // What is written into its cluster is overwritten from its vault.
    if (controlPlaneNamespace === AKS_NAMESPACE && !names) return undefined;
    const cluster = clusterOf(dataPlane.cluster);
    const { leafLifeMs } = certificates;
    const signing = istiodSigning(cluster);
    // One for all who use it, so that they share its looks.
    const key = JSON.stringify([dataPlane, leafLifeMs]);
    const options = { cluster, signing, dataPlane: name, controlPlaneNamespace, takeOver, leafLifeMs };
    const made =
      known.get(key) ??
      (names ? addOnTrust({ ...options, names, secrets: keyVaultSecrets({ url: names.vault, credential }) }) : istioTrust(options));
    known.set(key, made);
    return made;
  };
}
