/**
 * An AKS cluster reached through Entra ID: Azure Resource Manager says where its API server is and whom to trust for it, and a token
 * for the AKS server application signs in. No exec plug-in, no secret of the cluster's own. Formats: "List Cluster User Credentials"
 * of Microsoft.ContainerService 2025-10-01. It was never run against Azure; see docs/istio.md.
 */
import type { TokenCredential } from '@azure/identity';
import type { KubeConfig } from '@kubernetes/client-node';
import { z } from 'zod';
import { ClusterUnavailable, type Refused } from '../dataplanes/kubernetes/cluster.ts';
import { codeOf } from './http-exchange.ts';
import { parsedKubeconfig } from './kubeconfig.ts';
import { noAccess } from './kubernetes-answers.ts';
import { missingRole, refusedIdentity } from './missing-role.ts';

/** The application that AKS API servers are known by in every tenant. */
const AKS_SERVER = '6dae42f8-4368-4678-94ff-3960e28e3630/.default';
const ARM = 'https://management.azure.com';
const API_VERSION = '2025-10-01';
/** Addresses and authorities of a cluster change, seldom. */
const REMEMBER_MS = 15 * 60_000;
/** A token is renewed this long before it ends. */
const BEFORE_END_MS = 5 * 60_000;

export interface AksAccess {
  /** `/subscriptions/…/resourceGroups/…/providers/Microsoft.ContainerService/managedClusters/…` */
  readonly resourceId: string;
  readonly credential: TokenCredential;
  /** Epoch ms. */
  readonly now: () => number;
  readonly fetch?: typeof fetch;
  readonly timeoutMs?: number;
}

const credentialsSchema = z.object({ kubeconfigs: z.array(z.object({ value: z.string() })).min(1) });

/** For `kubernetesCluster`; one for the life of the process, since it remembers. */
export function aksConfig({
  resourceId,
  credential,
  now,
  fetch: ask = fetch,
  timeoutMs = 10_000,
}: AksAccess): () => Promise<KubeConfig | Refused> {
  const token = renewed(credential, now);
  let known: { readonly until: number; readonly kubeconfig: string } | undefined;

  async function kubeconfig(): Promise<string | Refused> {
    if (known && now() < known.until) return known.kubeconfig;
    const { status, ok, text } = await askArm(await token(`${ARM}/.default`));
    if (!ok) return armRefusal(resourceId, status, text);
    const [first] = credentialsSchema.safeParse(jsonOf(text)).data?.kubeconfigs ?? [];
    if (!first) throw new ClusterUnavailable(`Azure's answer to how ${resourceId} is reached holds no kubeconfig.`);
    known = { until: now() + REMEMBER_MS, kubeconfig: Buffer.from(first.value, 'base64').toString('utf8') };
    return known.kubeconfig;
  }

  async function askArm(bearer: string): Promise<{ readonly status: number; readonly ok: boolean; readonly text: string }> {
    const path = `${resourceId}/listClusterUserCredential?api-version=${API_VERSION}&format=exec`;
    const headers = { authorization: `Bearer ${bearer}` };
    try {
      const response = await ask(`${ARM}${path}`, { method: 'POST', headers, signal: AbortSignal.timeout(timeoutMs) });
      return { status: response.status, ok: response.ok, text: await response.text() };
    } catch (error) {
      throw new ClusterUnavailable(`Azure could not be asked how ${resourceId} is reached (${codeOf(error)}).`);
    }
  }

  return async () => {
    const found = await kubeconfig();
    return typeof found === 'string' ? signedIn(found, await token(AKS_SERVER)) : found;
  };
}

/** The cluster of a kubeconfig, whatever user it names, reached with this token. */
export async function signedIn(kubeconfig: string, token: string): Promise<KubeConfig | Refused> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const given = await parsedKubeconfig(kubeconfig);
  const cluster = given?.getCurrentCluster();
  if (!cluster) return noAccess('Azure gave a kubeconfig without a cluster in its current context.');
  if (cluster.skipTLSVerify) return noAccess(`Azure gave no certificate authority for ${cluster.server}.`);
  const config = new KubeConfig();
  config.loadFromClusterAndUser(cluster, { name: 'meshwright', token });
  return config;
}

/** Throws `ClusterUnavailable` for what may go better later. */
export function armRefusal(resourceId: string, status: number, text: string): Refused {
  const said = messageOf(text);
  if (status === 429 || status >= 500) throw new ClusterUnavailable(`Azure could not say where ${resourceId} is (${status}): ${said}`);
  if (status === 403) {
    const missing = missingRole({ role: 'Azure Kubernetes Service Cluster User Role', who: refusedIdentity(said), scope: resourceId });
    return noAccess(`Azure does not let meshwright read how ${resourceId} is reached (${said}): ${missing}`);
  }
  return noAccess(`Azure does not say how ${resourceId} is reached (${status}): ${said}`);
}

const errorSchema = z.object({ error: z.object({ message: z.string() }) });

function messageOf(text: string): string {
  return errorSchema.safeParse(jsonOf(text)).data?.error.message ?? text.slice(0, 200);
}

/** `undefined`: it is none. What the parser says quotes the text, which may hold a credential. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A token of each scope, asked for again before it ends. */
function renewed(credential: TokenCredential, now: () => number): (scope: string) => Promise<string> {
  const tokens = new Map<string, { readonly token: string; readonly expiresOnTimestamp: number }>();
  return async (scope) => {
    const held = tokens.get(scope);
    if (held && now() < held.expiresOnTimestamp - BEFORE_END_MS) return held.token;
    const fresh = await credential.getToken(scope);
    if (!fresh) throw new ClusterUnavailable(`Entra ID gave no token for ${scope}.`);
    tokens.set(scope, fresh);
    return fresh.token;
  };
}
