/**
 * A real Consul server and agent in one process, in memory, on free ports of 127.0.0.1, with ACLs: what is not said by an intention is
 * allowed or denied by default, as asked.
 */
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Json, JsonObject } from '../../src/journal/documents.ts';
import { freePorts } from '../real-envoy.ts';
import { LOOPBACK, type Running, type ServerProcess, startingTogether, startServer } from './process.ts';
import { serverBinary } from './servers/build.ts';

export interface ConsulAnswer {
  readonly status: number;
  /** `X-Consul-Index`, for blocking queries; 0 where there is none. */
  readonly index: number;
  /** JSON as parsed, or the text where it is none. */
  readonly body: Json;
}

export interface Consul extends Running {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** xDS, plaintext. */
  readonly grpcPort: number;
  /** May do everything. */
  readonly managementToken: string;
  /** `path` such as `/v1/config`; as the management token unless another is given. */
  ask(method: string, path: string, body?: Json, token?: string): Promise<ConsulAnswer>;
  /** Writes config entries in order. Rejects with Consul's words when one is refused. */
  mustWrite(...entries: readonly JsonObject[]): Promise<void>;
  /** The secret of a token that may do only what `rules` (HCL) say. */
  user(name: string, rules: string): Promise<string>;
  readonly process: ServerProcess;
}

/** Some 1 s. `hasty-consul` forgets roots within a second of the time after which it may. */
export async function startConsul(defaultPolicy: 'allow' | 'deny', server: 'consul' | 'hasty-consul' = 'consul'): Promise<Consul> {
  const command = await serverBinary(server);
  return startingTogether(async (started) => {
    const folder = await started.folder('consul');
    const [http = 0, grpc = 0, server = 0, serf = 0] = await freePorts(4);
    const managementToken = randomUUID();
    const url = `http://${LOOPBACK}:${http}`;
    const ask: Consul['ask'] = async (method, path, body, token = managementToken) => {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { 'x-consul-token': token },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const index = Number(response.headers.get('x-consul-index') ?? 0);
      return { status: response.status, index, body: parsed(await response.text()) };
    };
    const configuration = {
      node_name: 'conformance',
      bind_addr: LOOPBACK,
      client_addr: LOOPBACK,
      ports: { http, grpc, server, serf_lan: serf, serf_wan: -1, dns: -1, https: -1, grpc_tls: -1 },
      acl: {
        enabled: true,
        default_policy: defaultPolicy,
        tokens: { initial_management: managementToken, agent: managementToken },
      },
      ui_config: { enabled: false },
      disable_update_check: true,
      log_level: 'warn',
    };
    await writeFile(join(folder, 'consul.json'), JSON.stringify(configuration), { mode: 0o600 });
    const process = started.add(
      await startServer({
        name: 'consul',
        command,
        arguments: ['agent', '-dev', `-config-file=${join(folder, 'consul.json')}`],
        folder,
        // The certificate authority is there some time after the leader, the node in the catalogue after both.
        ready: async () => {
          const [roots, node] = [await ask('GET', '/v1/connect/ca/roots'), await ask('GET', '/v1/catalog/node/conformance')];
          return roots.status === 200 && node.status === 200 && node.body !== null;
        },
      }),
    );
    return {
      url,
      grpcPort: grpc,
      managementToken,
      ask,
      process,
      async mustWrite(...entries) {
        for (const entry of entries) {
          const { status, body } = await ask('PUT', '/v1/config', entry);
          if (status !== 200) throw new Error(`${entry.Kind} ${entry.Name} was not taken (${status}): ${JSON.stringify(body)}`);
        }
      },
      async user(name, rules) {
        await ask('PUT', '/v1/acl/policy', { Name: name, Rules: rules });
        const { body } = await ask('PUT', '/v1/acl/token', { Policies: [{ Name: name }] });
        return z.object({ SecretID: z.string() }).parse(body).SecretID;
      },
    };
  });
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
