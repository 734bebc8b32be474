/** The commands that change something: deploy, alert, pause, resume, promote, abort, apply, event. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { alertPayload, newAlertId } from './alert-payload.ts';
import {
  alertNotedSchema,
  answerSchema,
  appliedSchema,
  journalSchema,
  type Received,
  receivedSchema,
  type ServiceStatus,
} from './answers.ts';
import type { Connection } from './connection.ts';
import { Failure } from './failure.ts';
import { findService, pathOf } from './reading.ts';
import { readSpecFolder } from './spec-folder.ts';
import type { Terminal } from './terminal.ts';

/** How far back the end of an alert looks for its beginning. */
const ALERT_COMMITS = 1_000;

export interface DeployOptions {
  readonly mesh?: string;
  readonly digest?: string;
  readonly again?: boolean;
}

export async function deploy(connection: Connection, terminal: Terminal, service: string, version: string, options: DeployOptions) {
  const { mesh, ...wanted } = options;
  const status = await findService(connection, service, mesh);
  tell(terminal, await connection.post(`${pathOf(status)}/rollout`, { version, ...wanted }, receivedSchema));
}

export interface AlertOptions {
  readonly mesh?: string;
  readonly rule?: string;
  readonly resolved?: boolean;
}

/** Fires an alert anew, or ends the newest one of its rule that the journal knows to be firing. */
export async function sendAlert(connection: Connection, terminal: Terminal, service: string, options: AlertOptions): Promise<void> {
  const status = await findService(connection, service, options.mesh);
  const rule = options.rule ?? `${service} failures`;
  const fired = options.resolved
    ? { ...(await firingAlert(connection, status, rule)), resolvedAt: terminal.now() }
    : { alertId: newAlertId(randomUUID()), firedAt: terminal.now() };
  tell(terminal, await connection.post('alerts', alertPayload({ ...fired, rule, mesh: status.mesh, service }), receivedSchema));
}

async function firingAlert(connection: Connection, status: ServiceStatus, rule: string): Promise<{ alertId: string; firedAt: number }> {
  const after = Math.max(0, status.version - ALERT_COMMITS);
  const { commits } = await connection.get(`${pathOf(status)}/journal?after=${after}&limit=${ALERT_COMMITS}`, journalSchema);
  const noted = commits.flatMap(({ events }) => events.flatMap((event) => alertNotedSchema.safeParse(event).data ?? []));
  const newest = new Map(noted.map(({ id, alert }) => [id, alert]));
  const firing = [...newest].flatMap(([alertId, { rule: itsRule, firedAt, resolvedAt }]) =>
    itsRule === rule && firedAt !== undefined && (resolvedAt === undefined || resolvedAt < firedAt) ? [{ alertId, firedAt }] : [],
  );
  const last = firing.at(-1);
  if (!last) throw new Failure(`The alert "${rule}" of ${status.service} is not firing; see \`meshwright journal ${status.service}\`.`);
  return last;
}

export type StepIn = 'pause' | 'resume' | 'promote' | 'abort';

export interface StepInOptions {
  readonly mesh?: string;
  readonly reason?: string;
  readonly force?: boolean;
}

export async function stepIn(connection: Connection, terminal: Terminal, action: StepIn, service: string, options: StepInOptions) {
  const { mesh, ...asked } = options;
  const status = await findService(connection, service, mesh);
  const answer = await connection.post(`${pathOf(status)}/rollout/${action}`, asked, answerSchema);
  tell(terminal, { kind: 'answered', answers: [answer] });
}

/** `folder` may be one file. */
export async function applySpec(
  connection: Connection,
  terminal: Terminal,
  folder: string,
  accepting: { readonly acceptRefusals?: boolean },
): Promise<void> {
  const { answer } = await connection.post('apply', { files: await readSpecFolder(folder), ...accepting }, appliedSchema);
  tell(terminal, { kind: 'answered', answers: [answer] });
}

/** `-` reads what comes in. */
export async function sendEvent(connection: Connection, terminal: Terminal, file: string, { again }: { readonly again?: boolean }) {
  const text = file === '-' ? await terminal.readIn() : await readText(file);
  let event: unknown;
  try {
    event = JSON.parse(text);
  } catch {
    throw new Failure(`${file === '-' ? 'What came in' : file} is not JSON; send one CloudEvents or Event Grid event.`);
  }
  tell(terminal, await connection.post(again ? 'events?again=true' : 'events', event, receivedSchema));
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch {
    throw new Failure(`${file} cannot be read.`, { exitCode: 2 });
  }
}

/** @throws Failure when some of it was refused, after the rest was told. */
function tell(terminal: Terminal, received: Received): void {
  if (received.kind === 'looking') {
    terminal.out(received.message);
    return;
  }
  if (received.kind === 'ignored') {
    terminal.out(`Nothing is done: ${received.message}`);
    return;
  }
  for (const { outcome, message } of received.answers) if (outcome !== 'refused') terminal.out(message);
  const refused = received.answers.filter(({ outcome }) => outcome === 'refused').map(({ message }) => message);
  if (refused.length > 0) throw new Failure(refused.join('\n'));
}
