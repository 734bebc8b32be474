/** `meshwright join-token`: a token by which one workload may come into a mesh, once. */
import { z } from 'zod';
import type { Connection } from './connection.ts';
import { Failure } from './failure.ts';
import type { Terminal } from './terminal.ts';

export interface JoinOptions {
  readonly mesh: string;
  readonly hours?: number;
  readonly json?: boolean;
}

const madeSchema = z.object({ token: z.string(), endsAt: z.number() });
const HOUR_MS = 3_600_000;

/** `workload`: `<namespace>/<service account>`. Alone on standard output, for a file. */
export async function makeJoinToken(connection: Connection, terminal: Terminal, workload: string, options: JoinOptions): Promise<void> {
  const [, namespace, serviceAccount] = /^([^/]+)\/([^/]+)$/.exec(workload) ?? [];
  if (namespace === undefined || serviceAccount === undefined) {
    throw new Failure('Name the workload as <namespace>/<service account>, such as shop/catalog.', { exitCode: 2 });
  }
  const order = { namespace, serviceAccount, ...(options.hours === undefined ? {} : { lifeMs: options.hours * HOUR_MS }) };
  const made = await connection.post(`meshes/${encodeURIComponent(options.mesh)}/join-tokens`, order, madeSchema);
  if (options.json) terminal.out(JSON.stringify(made));
  else terminal.out(made.token);
  terminal.err(`It works once, for ${workload}, until ${new Date(made.endsAt).toISOString()}.`);
}
