/**
 * The cluster that a spec names: by an app setting that holds a kubeconfig or the path of one, or by the resource id of an AKS
 * cluster. One connector a cluster for the life of the process, since it keeps connections and tokens.
 */
import type { TokenCredential } from '@azure/identity';
import type { DataPlaneSpec } from '../spec/schema.ts';
import { aksConfig } from './aks-credentials.ts';
import { readKubeconfig } from './kubeconfig.ts';
import { noAccess } from './kubernetes-answers.ts';
import { kubernetesCluster, type SpeakingCluster } from './kubernetes-cluster.ts';
import { missingClusterRole } from './missing-role.ts';

type NamedCluster = NonNullable<Extract<DataPlaneSpec, { kind: 'istio' }>['cluster']>;

export interface ClusterSources {
  /** What an app setting holds. */
  readonly setting: (name: string) => string | undefined;
  /** Who we are on Azure; `undefined`: nobody, as on a machine that is not signed in. */
  readonly credential: () => Promise<TokenCredential | undefined>;
  /** Epoch ms. */
  readonly now: () => number;
}

export function namedClusters({ setting, credential, now }: ClusterSources): (cluster: NamedCluster) => SpeakingCluster {
  const known = new Map<string, SpeakingCluster>();
  return (cluster) => {
    const key = JSON.stringify(cluster);
    const grant = 'aks' in cluster ? { grant: (said: string) => missingClusterRole(cluster.aks, said) } : {};
    const made = known.get(key) ?? kubernetesCluster({ config: configOf(cluster), ...grant });
    known.set(key, made);
    return made;
  };

  function configOf(cluster: NamedCluster) {
    if ('aks' in cluster) {
      let config: ReturnType<typeof aksConfig> | undefined;
      return async () => {
        const identity = await credential();
        if (!identity) return noAccess(`There is no identity to reach ${cluster.aks} with; on Azure it is the app's managed identity.`);
        config ??= aksConfig({ resourceId: cluster.aks, credential: identity, now });
        return config();
      };
    }
    return async () => {
      const { kubeconfigSetting, context } = cluster;
      const held = setting(kubeconfigSetting);
      if (held === undefined)
        return noAccess(`The app setting ${kubeconfigSetting}, which should hold a kubeconfig or its path, is not set.`);
      return readKubeconfig(held, context);
    };
  }
}
