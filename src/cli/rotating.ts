/** `meshwright certificates`, `rotate` and `rotation`: what certificates are at, and replacing a root in front of one's eyes. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { answerSchema, statusSchema } from './answers.ts';
import { rotationPlanSchema, type TrustStatus, trustStatusSchema } from './certificate-answers.ts';
import { certificatesText, phaseText, planText } from './certificate-text.ts';
import { type Connection, NobodyAnswers } from './connection.ts';
import { Failure } from './failure.ts';
import type { Terminal } from './terminal.ts';

const LOOK_MS = 500;
const LOOK_AGAIN_MS = 1_000;

export interface CertificatesOptions {
  readonly mesh?: string;
  readonly json?: boolean;
}

export interface RotateOptions {
  readonly mesh?: string;
  readonly reason?: string;
  readonly dryRun?: boolean;
  readonly compromised?: boolean;
  readonly yes?: boolean;
  readonly wait: boolean;
}

export const ROTATION_STEPS = ['abort', 'approve', 'proceed', 'force'] as const;
export type RotationStep = (typeof ROTATION_STEPS)[number];

export interface RotationStepOptions {
  readonly mesh?: string;
  readonly reason?: string;
  readonly gate?: string;
}

export async function showCertificates(connection: Connection, terminal: Terminal, { mesh, json }: CertificatesOptions): Promise<void> {
  const status = await statusOf(connection, await meshOf(connection, mesh));
  terminal.out(json ? JSON.stringify(status, null, 2) : certificatesText(status));
}

/** Shows what it would do, or begins one and follows it to its end. */
export async function rotate(connection: Connection, terminal: Terminal, options: RotateOptions): Promise<void> {
  const mesh = await meshOf(connection, options.mesh);
  const { dryRun, compromised, reason, yes, wait } = options;
  if (dryRun || (compromised && !yes)) {
    const plan = await connection.get(`${pathOf(mesh)}/rotation/plan${compromised ? '?compromised=true' : ''}`, rotationPlanSchema);
    terminal.out(planText(plan));
    if (dryRun) return;
    throw new Failure('Nothing is done yet: these break first. Say --yes to rotate as of a compromised root.', { exitCode: 2 });
  }
  const asked = { ...(reason === undefined ? {} : { reason }), ...(compromised ? { compromised } : {}) };
  const answer = await connection.post(`${pathOf(mesh)}/rotation`, asked, answerSchema, once());
  if (answer.outcome === 'refused') throw new Failure(answer.message);
  terminal.out(answer.message);
  if (wait) await follow(connection, terminal, mesh);
}

/** Line by line as things change, until the rotation has ended; what was ended before it began is known by its id. */
async function follow(connection: Connection, terminal: Terminal, mesh: string): Promise<void> {
  let shown = '';
  let followed: string | undefined;
  for (;;) {
    const status = await statusOf(connection, mesh).catch(async (error: unknown) => {
      if (!(error instanceof NobodyAnswers)) throw error;
      const lost = `${error.message} The rotation goes on; trying again each second.`;
      if (lost !== shown) terminal.out(lost);
      shown = lost;
      await delay(LOOK_AGAIN_MS);
    });
    if (!status) continue;
    followed ??= status.rotation?.id ?? status.ended[0]?.id;
    if (status.rotation?.id !== followed) {
      const ended = status.ended.find(({ id }) => id === followed);
      const message = ended?.outcome === 'rotated' ? `The rotation ${followed} is complete.` : `The rotation ${followed} went back.`;
      if (ended?.outcome !== 'rotated') throw new Failure(message);
      terminal.out(message);
      return;
    }
    const text = phaseText(status);
    if (text.replace(/, at least .* more/, '') !== shown) terminal.out(text);
    shown = text.replace(/, at least .* more/, '');
    await delay(LOOK_MS);
  }
}

export async function stepIntoRotation(
  connection: Connection,
  terminal: Terminal,
  step: RotationStep,
  { mesh, reason, gate }: RotationStepOptions,
): Promise<void> {
  if (step === 'approve' && gate === undefined)
    throw new Failure('Say what is approved: --gate issuing, or --gate pruning.', { exitCode: 2 });
  const named = await meshOf(connection, mesh);
  const asked = {
    ...(reason === undefined ? {} : { reason }),
    ...(gate === undefined ? {} : { gate }),
    ...(step === 'force' ? await lookedAt(connection, terminal, named) : {}),
  };
  const answer = await connection.post(`${pathOf(named)}/rotation/${step}`, asked, answerSchema, once());
  if (answer.outcome === 'refused') throw new Failure(answer.message);
  terminal.out(answer.message);
}

/** Of one invocation: an answer that was lost and asked for again by whatever lies between is no second step. */
const once = () => ({ 'idempotency-key': randomUUID() });

/** Which gate is forced, as whoever forces it sees it. */
async function lookedAt(connection: Connection, terminal: Terminal, mesh: string): Promise<{ rotation: string; phase: string }> {
  const status = await statusOf(connection, mesh);
  if (!status.rotation) throw new Failure('No rotation is under way; there is no gate to force.');
  terminal.out(phaseText(status));
  return { rotation: status.rotation.id, phase: status.rotation.phase.name };
}

const pathOf = (mesh: string): string => `meshes/${encodeURIComponent(mesh)}`;
const statusOf = (connection: Connection, mesh: string): Promise<TrustStatus> =>
  connection.get(`${pathOf(mesh)}/certificates`, trustStatusSchema);

const meshesSchema = statusSchema.extend({ meshes: z.array(z.string()).default([]) });

/** The one mesh there is, where none is named. */
async function meshOf(connection: Connection, named: string | undefined): Promise<string> {
  if (named !== undefined) return named;
  const { services, meshes } = await connection.get('status', meshesSchema);
  const all = [...new Set([...meshes, ...services.map(({ mesh }) => mesh)])];
  const [only, ...others] = all;
  if (only !== undefined && others.length === 0) return only;
  throw new Failure(only === undefined ? 'No spec is adopted yet; apply one.' : `Name the mesh with --mesh: ${all.join(', ')}.`, {
    exitCode: 2,
  });
}
