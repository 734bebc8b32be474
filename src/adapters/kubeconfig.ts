/**
 * How a cluster is reached by a kubeconfig: its text, or the path of its file. Credentials must be in it (a token, a client
 * certificate, or files that hold them): a plug-in would run a program in the name of a control plane.
 */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import type { Refused } from '../dataplanes/kubernetes/cluster.ts';
import { noAccess } from './kubernetes-answers.ts';

/** Rejects where there is no such file, or no YAML in it. */
export async function readKubeconfig(pathOrText: string, context?: string): Promise<KubeConfig | Refused> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  const isText = /[\n{]/.test(pathOrText.trim());
  config.loadFromString(isText ? pathOrText : await readFile(pathOrText, 'utf8'));
  if (!isText) config.makePathsAbsolute(dirname(pathOrText));
  if (context !== undefined) config.setCurrentContext(context);
  const problem = whatIsWrong(config);
  return problem === undefined ? config : noAccess(`The kubeconfig cannot be used: ${problem}`);
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
  if (cluster.skipTLSVerify)
    return `its cluster ${cluster.name} does not have the server's certificate verified; give its certificate authority.`;
  return undefined;
}

const pluginOf = (exec: unknown): string =>
  typeof exec === 'object' && exec !== null && 'command' in exec ? String(exec.command) : 'it names';
