/**
 * What an agent needs around it: a door that issues leafs by a mesh's trust, an xds server that serves real Envoys, a door that takes reports; and
 * agents as processes of their own, killed and started at will.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { LoadedReport, Told } from '../../src/agent/doors.ts';
import { leafRequestSchema } from '../../src/issuing.ts';
import { type IssuingMesh, issuingMesh, MESH } from '../trust/issuing-mesh.ts';

const MAIN = join(import.meta.dirname, '../../src/agent/main.ts');
const LOOPBACK = '127.0.0.1';
const NODE_TOKEN = 'nodes';

export interface AgentProcess {
  readonly process: ChildProcess;
  /** What it said, oldest first. */
  readonly said: readonly { readonly event: string; readonly message: string }[];
  readonly errors: () => string;
  readonly ended: Promise<number | null>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

export interface AgentWorld {
  readonly mesh: IssuingMesh;
  readonly folder: string;
  readonly directoryOf: (node: string) => string;
  /** What came to the door of the reports, oldest first. */
  readonly reports: readonly LoadedReport[];
  /** What it answers; a report is refused with 503 while there is none. */
  told: Told | undefined;
  /** How long the functions are away: they hang up on everybody. */
  away: boolean;
  /** By a join token of its own at its first start. `settings`: on top of those. */
  agent(node: string, serviceAccount: string, settings?: Readonly<Record<string, string>>, args?: readonly string[]): Promise<AgentProcess>;
  stop(): Promise<void>;
}

const spoken = z.object({ event: z.string(), message: z.string() });
const report = z.custom<LoadedReport>((value) => typeof value === 'object' && value !== null && 'loaded' in value);

export async function agentWorld(leafLifeMs: number): Promise<AgentWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'meshwright-agent-'));
  const mesh = await issuingMesh({ now: Date.now, attest: [{ kind: 'join' }], leafLifeMs });
  const reports: LoadedReport[] = [];
  const agents: AgentProcess[] = [];
  const [url, functions] = await open(async (path, body) => {
    if (world.away) return undefined;
    if (path !== `/meshes/${MESH}/certificates`) return [404, {}];
    const given = await mesh.issuing.issue(MESH, leafRequestSchema.parse(body));
    return given.kind === 'issued' ? [200, given] : [403, { reason: given.reason, detail: given.message }];
  });
  const [xdsUrl, xds] = await open(async (path, body, authorization) => {
    if (path !== '/identities' || authorization !== `Bearer ${NODE_TOKEN}`) return [401, {}];
    reports.push(report.parse(body));
    return world.told ? [200, world.told] : [503, { reason: 'TemporaryFault', detail: 'Not now.' }];
  });
  const nodeTokenFile = join(folder, 'node-token');
  await writeFile(nodeTokenFile, NODE_TOKEN);

  const world: AgentWorld = {
    mesh,
    folder,
    directoryOf: (node) => join(folder, node, 'identity'),
    reports,
    told: { revision: 1, signer: null, renewWithinMs: 1_000, reportEveryMs: 300 },
    away: false,
    async agent(node, serviceAccount, settings = {}, args = []) {
      const tokenFile = join(folder, node, 'join-token');
      if (!agents.some(({ process }) => process.spawnargs.includes(node))) {
        const order = { identity: { namespace: 'shop', serviceAccount }, lifeMs: 600_000, actor: 'test' };
        const made = await mesh.issuing.makeJoinToken(MESH, order);
        if (made.kind !== 'made') throw new Error(made.message);
        await mkdir(join(folder, node), { recursive: true });
        await writeFile(tokenFile, made.token);
      }
      const reporting = settings.MESHWRIGHT_ENVOY_ADMIN ? { MESHWRIGHT_XDS_URL: xdsUrl, MESHWRIGHT_NODE_TOKEN_FILE: nodeTokenFile } : {};
      const environment = {
        MESHWRIGHT_URL: url,
        MESHWRIGHT_MESH: MESH,
        MESHWRIGHT_DATA_PLANE: 'vms',
        MESHWRIGHT_NODE: node,
        MESHWRIGHT_IDENTITY_DIRECTORY: world.directoryOf(node),
        MESHWRIGHT_JOIN_TOKEN_FILE: tokenFile,
        ...reporting,
        ...settings,
      };
      const started = startAgent(environment, [...args, node]);
      agents.push(started);
      return started;
    },
    async stop() {
      for (const agent of agents) await agent.kill();
      for (const server of [functions, xds]) await closed(server);
      await rm(folder, { recursive: true, force: true });
    },
  };
  return world;
}

/** The last argument names it in this file alone. */
function startAgent(environment: Readonly<Record<string, string>>, args: readonly string[]): AgentProcess {
  const child = spawn(process.execPath, ['--no-warnings', MAIN, ...args], { env: { ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
  const said: { event: string; message: string }[] = [];
  let errors = '';
  createInterface({ input: child.stdout }).on('line', (line) => said.push(spoken.parse(JSON.parse(line))));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk));
  const ended = once(child, 'close').then(() => child.exitCode);
  return {
    process: child,
    said,
    errors: () => errors,
    ended,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

type Answering = (path: string, body: unknown, authorization: string | undefined) => Promise<readonly [number, object] | undefined>;

async function open(answer: Answering): Promise<readonly [string, Server]> {
  const server = createServer((request, response) => {
    void bodyOf(request).then(async (body) => {
      const given = await answer(request.url ?? '', body, request.headers.authorization);
      if (!given) request.socket.destroy();
      else response.writeHead(given[0], { 'content-type': 'application/json' }).end(JSON.stringify(given[1]));
    });
  });
  await once(server.listen(0, LOOPBACK), 'listening');
  const at = server.address();
  return [`http://${LOOPBACK}:${typeof at === 'object' && at ? at.port : 0}`, server];
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return JSON.parse(Buffer.concat(chunks).toString());
}

async function closed(server: Server): Promise<void> {
  const done = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await done;
}
