/** The commands that only look: status, journal, parked. */
import { setTimeout as delay } from 'node:timers/promises';
import { journalSchema, type Parked, parkedOneSchema, parkedPageSchema, type ServiceStatus, statusSchema } from './answers.ts';
import { type Connection, NobodyAnswers } from './connection.ts';
import { Failure } from './failure.ts';
import { instantText, journalText, statusText } from './status-text.ts';
import type { Terminal } from './terminal.ts';

const WATCH_MS = 1_000;

export interface StatusOptions {
  readonly json?: boolean;
  readonly mesh?: string;
  readonly watch?: boolean;
}

/** With `watch` it goes on until it is ended, also while nobody answers. */
export async function showStatus(connection: Connection, terminal: Terminal, { json, mesh, watch }: StatusOptions): Promise<void> {
  const look = async (): Promise<string> => {
    const { now, services: all } = await connection.get('status', statusSchema);
    const services = mesh === undefined ? all : all.filter((status) => status.mesh === mesh);
    if (mesh !== undefined && services.length === 0 && all.length > 0) {
      throw new Failure(`There is no mesh ${mesh}; there is ${listed(all.map((status) => status.mesh))}.`);
    }
    return json ? JSON.stringify({ now, services }, null, 2) : statusText(services, now);
  };
  if (!watch) {
    terminal.out(await look());
    return;
  }
  for (let shown = ''; ; await delay(WATCH_MS)) {
    const text = await look().catch((error: unknown) => {
      if (error instanceof NobodyAnswers) return `${error.message} Trying again each second.`;
      throw error;
    });
    if (text === shown) continue;
    if (terminal.isScreen) terminal.clear();
    terminal.out(text);
    shown = text;
  }
}

export interface JournalOptions {
  readonly json?: boolean;
  readonly mesh?: string;
  readonly limit: number;
}

/** The newest `limit` commits, the newest last. */
export async function showJournal(connection: Connection, terminal: Terminal, service: string, options: JournalOptions): Promise<void> {
  const { json, limit } = options;
  const status = await findService(connection, service, options.mesh);
  const after = Math.max(0, status.version - limit);
  const { commits } = await connection.get(`${pathOf(status)}/journal?after=${after}&limit=${limit}`, journalSchema);
  terminal.out(json ? JSON.stringify({ commits }, null, 2) : journalText(commits));
}

/** All of them, page by page, the newest last; or of one what came, as it can be sent again. */
export async function showParked(
  connection: Connection,
  terminal: Terminal,
  id: string | undefined,
  { json }: { readonly json?: boolean },
): Promise<void> {
  if (id !== undefined) {
    const one = await connection.get(`parked/${encodeURIComponent(id)}`, parkedOneSchema);
    terminal.out(json ? JSON.stringify(one, null, 2) : one.text);
    return;
  }
  const parked: Parked[] = [];
  for (let after = 0; ; ) {
    const page = (await connection.get(`parked?after=${after}`, parkedPageSchema)).parked;
    parked.push(...page);
    const last = page.at(-1);
    if (!last) break;
    after = last.at;
  }
  if (json) terminal.out(JSON.stringify({ parked }, null, 2));
  else if (parked.length === 0) terminal.out('Nothing is parked.');
  else terminal.out(parked.map(parkedLine).join('\n'));
}

const parkedLine = ({ id, at, door, reason, message }: Parked): string => `${instantText(at)}  ${door}  ${id}  ${reason}: ${message}`;

/** The one service of this name, in `mesh` or in the only mesh that has it. @throws Failure that names the candidates otherwise. */
export async function findService(connection: Connection, service: string, mesh: string | undefined): Promise<ServiceStatus> {
  const { services } = await connection.get('status', statusSchema);
  const found = services.filter((status) => status.service === service && (mesh === undefined || status.mesh === mesh));
  const [only, ...others] = found;
  if (only && others.length === 0) return only;
  if (only) throw new Failure(`${service} is in ${listed(found.map((status) => status.mesh))}; say which with --mesh.`, { exitCode: 2 });
  const where = mesh === undefined ? 'any mesh' : `the mesh ${mesh}`;
  const names = services.map((status) => (mesh === undefined ? status.service : `${status.mesh}/${status.service}`));
  throw new Failure(
    `There is no service ${service} in ${where}; ${names.length === 0 ? 'apply a spec first' : `there is ${listed(names)}`}.`,
  );
}

export const pathOf = ({ mesh, service }: ServiceStatus): string =>
  `meshes/${encodeURIComponent(mesh)}/services/${encodeURIComponent(service)}`;

function listed(names: readonly string[]): string {
  const each = [...new Set(names)].sort();
  return each.length > 10 ? `${each.slice(0, 10).join(', ')} …` : each.join(', ');
}
