/**
 * How a cluster is reached by a kubeconfig: its text, that in base64, or the path of its file. Credentials must be in it (a token,
 * a client certificate, or files that hold them): a plug-in would run a program in the name of a control plane. Nothing of what
 * was given is ever quoted: whatever it was meant to be, it may be a secret.
 */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import type { Refused } from '../dataplanes/kubernetes/cluster.ts';
import { noAccess } from './kubernetes-answers.ts';

/** Rejects where it is neither, or the file cannot be read. */
export async function readKubeconfig(given: string, context?: string): Promise<KubeConfig | Refused> {
  const text = isText(given) ? given : fromBase64(given);
  const config = await parsedKubeconfig(text ?? (await contentOf(given)));
  if (!config) return noAccess('The kubeconfig cannot be used: it is not in YAML or JSON as `kubectl config view --raw` prints it.');
  if (text === undefined) config.makePathsAbsolute(dirname(given));
  if (context !== undefined) config.setCurrentContext(context);
  const problem = whatIsWrong(config);
  return problem === undefined ? config : noAccess(`The kubeconfig cannot be used: ${problem}`);
}

/** `undefined`: it is none. What the parser says quotes the lines around, and those may hold a token. */
export async function parsedKubeconfig(text: string): Promise<KubeConfig | undefined> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  try {
    config.loadFromString(text);
    return config;
  } catch {
    return undefined;
  }
}

const isText = (given: string): boolean => /[\n{]/.test(given.trim()) && given.includes(':');

/** As settings often hold it, in one line or in several. */
function fromBase64(given: string): string | undefined {
  if (!/^[A-Za-z0-9+/\s]+=*\s*$/.test(given)) return undefined;
  const text = Buffer.from(given, 'base64').toString('utf8');
  return isText(text) && text.includes('clusters') ? text : undefined;
}

async function contentOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : 'unknown';
    throw new Error(`The kubeconfig is neither YAML, JSON or base64, nor the path of a file that can be read (${code})`);
  }
}

function whatIsWrong(config: KubeConfig): string | undefined {
  const current = config.getCurrentContext();
  const cluster = config.getCurrentCluster();
  const names = config.getContexts().map(({ name }) => name);
  if (!cluster) return `it has no context ${current || 'that is current'} with a cluster; it has ${names.join(', ') || 'none'}.`;
  const user = config.getCurrentUser();
  if (user?.exec)
    return `its user ${user.name} signs in by the plug-in ${pluginOf(user.exec)}, which meshwright does not run; give a token, or \`aks\`.`;
  if (user?.authProvider)
    return `its user ${user.name} signs in by an auth provider, which meshwright does not run; give a token, or \`aks\`.`;
  if (URL.parse(cluster.server)?.protocol !== 'https:') return `its cluster ${cluster.name} has no \`server\` that is an https address.`;
  if (cluster.skipTLSVerify)
    return `its cluster ${cluster.name} does not have the server's certificate verified; give its certificate authority.`;
  return undefined;
}

const pluginOf = (exec: unknown): string =>
  typeof exec === 'object' && exec !== null && 'command' in exec ? String(exec.command) : 'it names';
