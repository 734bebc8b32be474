/** `meshwright agent`: what stands beside an Envoy and keeps its certificate, from the options of a command line. */
import { resolve } from 'node:path';
import { Failure } from './failure.ts';
import type { Terminal } from './terminal.ts';

export interface AgentAsked {
  readonly mesh: string;
  readonly dataPlane: string;
  readonly node: string;
  readonly identity: string;
  readonly joinToken?: string;
  readonly kubernetesToken?: string;
  readonly entraToken?: string;
  readonly spiffeId?: string;
  readonly admin?: string;
  readonly xds?: string;
  readonly tokenFile?: string;
  readonly once?: boolean;
}

const DEFAULT_URL = 'http://localhost:7071';

/** Runs until it is told to stop. `url`: as given, or `MESHWRIGHT_URL`. */
export async function runAgent(url: string | undefined, terminal: Terminal, asked: AgentAsked): Promise<void> {
  const { agentProcess } = await import('../agent/process.ts');
  const here = (path: string | undefined): string | undefined => path && resolve(terminal.workingDirectory, path);
  const settings = {
    MESHWRIGHT_URL: url ?? (terminal.environment.MESHWRIGHT_URL || DEFAULT_URL),
    MESHWRIGHT_MESH: asked.mesh,
    MESHWRIGHT_DATA_PLANE: asked.dataPlane,
    MESHWRIGHT_NODE: asked.node,
    MESHWRIGHT_IDENTITY_DIRECTORY: here(asked.identity),
    MESHWRIGHT_JOIN_TOKEN_FILE: here(asked.joinToken),
    MESHWRIGHT_KUBERNETES_TOKEN_FILE: here(asked.kubernetesToken),
    MESHWRIGHT_ENTRA_TOKEN_FILE: here(asked.entraToken),
    MESHWRIGHT_SPIFFE_ID: asked.spiffeId,
    MESHWRIGHT_ENVOY_ADMIN: asked.admin && `http://${asked.admin}`,
    MESHWRIGHT_XDS_URL: asked.xds,
    MESHWRIGHT_NODE_TOKEN_FILE: here(asked.tokenFile),
  };
  const code = await agentProcess(settings, asked.once ?? false);
  if (code !== 0)
    throw new Failure(code === 2 ? 'The agent was not started: see above what is wrong.' : 'The agent has no leaf.', { exitCode: code });
}
