/**
 * Identities of the sample's workloads: a join token for each, made as an operator makes them, and an agent beside its Envoy. Where the
 * spec has no certificates there are none, and the Envoys speak plainly.
 */
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { EnvoyNode } from '../../dataplanes/envoy/resources.ts';
import { type Child, startProgram } from '../child.ts';

const LOOPBACK = '127.0.0.1';
const NAMESPACE = 'default';
const TRY_AGAIN_MS = 200;
const GIVEN_UP_MS = 30_000;

export interface IdentityOptions {
  readonly functionsUrl: string;
  /** Opens writes of the functions. */
  readonly token: string;
  readonly doorPort: number;
  readonly nodeTokenFile: string;
  /** The agent's program. */
  readonly agent: string;
  readonly directory: string;
  readonly logs: string;
}

export interface Workload {
  readonly node: EnvoyNode;
  readonly serviceAccount: string;
  readonly adminPort: number;
}

const madeSchema = z.object({ token: z.string() });
const refusedSchema = z.object({ reason: z.string(), detail: z.string() });

export const identityDirectory = ({ directory }: IdentityOptions, { node }: Workload): string => join(directory, 'identities', node.id);

/** Starts its agent, and resolves when its first leaf lies there; `undefined`: this mesh has no certificates. */
export async function startAgent(options: IdentityOptions, workload: Workload): Promise<Child | undefined> {
  const { mesh, dataPlane, id } = workload.node;
  const token = await joinToken(options, mesh, workload.serviceAccount);
  if (token === undefined) return undefined;
  const identity = identityDirectory(options, workload);
  await mkdir(identity, { recursive: true, mode: 0o700 });
  const tokenFile = join(options.directory, 'identities', `${id}.join`);
  await writeFile(tokenFile, token, { mode: 0o600 });
  const agent = startProgram({
    command: process.execPath,
    arguments: ['--no-warnings', options.agent],
    environment: {
      MESHWRIGHT_URL: options.functionsUrl,
      MESHWRIGHT_MESH: mesh,
      MESHWRIGHT_DATA_PLANE: dataPlane,
      MESHWRIGHT_NODE: id,
      MESHWRIGHT_IDENTITY_DIRECTORY: identity,
      MESHWRIGHT_JOIN_TOKEN_FILE: tokenFile,
      MESHWRIGHT_ENVOY_ADMIN: `http://${LOOPBACK}:${workload.adminPort}`,
      MESHWRIGHT_XDS_URL: `http://${LOOPBACK}:${options.doorPort}`,
      MESHWRIGHT_NODE_TOKEN_FILE: options.nodeTokenFile,
    },
    logFile: join(options.logs, `agent-${id}.log`),
  });
  const ended = agent.ended.then(() => true);
  while (!(await isThere(join(identity, 'default.yaml')))) {
    if (await Promise.race([ended, delay(TRY_AGAIN_MS, false)])) break;
  }
  return agent;
}

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

/** Waits while the first root is being made. */
async function joinToken({ functionsUrl, token }: IdentityOptions, mesh: string, serviceAccount: string): Promise<string | undefined> {
  const givenUpAt = performance.now() + GIVEN_UP_MS;
  for (;;) {
    const response = await fetch(`${functionsUrl}/meshes/${mesh}/join-tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ namespace: NAMESPACE, serviceAccount }),
    });
    const body: unknown = await response.json();
    if (response.ok) return madeSchema.parse(body).token;
    const { reason, detail } = refusedSchema.parse(body);
    if (reason === 'NoCertificates' || reason === 'AttestationNotAllowed') return undefined;
    if (performance.now() > givenUpAt) throw new Error(`No join token was made for ${serviceAccount}: ${detail}`);
    await delay(TRY_AGAIN_MS);
  }
}
