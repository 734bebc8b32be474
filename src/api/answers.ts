/**
 * What each route answers, for the OpenAPI document and for tests that hold the answers to it; no function loads this. Problems that many routes
 * have follow from the route itself (`problemStatusesOf`); here is only what is its own.
 */
import { z } from 'zod';
import type { DeadLetter } from '../dead-letters.ts';
import { archivedStreamSchema } from '../journal/archive.ts';
import { type Answer, commitBodySchema as commit } from '../journal/stream.ts';
import type { Received } from '../receive.ts';
import { dryRunReportSchema } from '../reconcile/dry-run-report.ts';
import { meshSpecSchema, serviceSpecSchema } from '../spec/schema.ts';
import { EXPOSITION_TYPE } from './exposition.ts';
import { type Route, takesBody, takesQuery } from './route.ts';
import type { RouteName } from './routes.ts';
import { driftReport, overview, serviceStatus } from './status-answers.ts';
import { rotationPlan, trustStatus } from './trust-answers.ts';

interface Answers {
  readonly status: 200 | 202;
  readonly type: string;
  readonly content: z.ZodType;
  /** Beside those that follow from the route. */
  readonly problems: readonly number[];
}

const ok = (content: z.ZodType, ...problems: readonly number[]): Answers => ({ status: 200, type: 'application/json', content, problems });
const taken = (content: z.ZodType, ...problems: readonly number[]): Answers => ({ ...ok(content, ...problems), status: 202 });
const at = z.object({ now: z.number().describe('Epoch ms, by the clock that all times are of') });

const decidedBy = { stream: z.string(), message: z.string(), repeated: z.boolean() };
const answer: z.ZodType<Answer> = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('accepted'), version: z.int(), ...decidedBy }),
  z.object({ outcome: z.enum(['refused', 'unchanged']), reason: z.string(), ...decidedBy }),
]);
const received: z.ZodType<Exclude<Received, { kind: 'parked' }>> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('answered'), answers: z.array(answer) }),
  z.object({ kind: z.literal('looking'), message: z.string() }),
  z.object({ kind: z.literal('ignored'), reason: z.string(), message: z.string() }),
]);
const commits = ok(z.object({ commits: z.array(commit) }));
const shadow = ok(at.extend({ shadow: z.array(dryRunReportSchema.extend({ against: z.string().nullable() })) }), 404);
const decided = ok(answer, 404, 409);
const letter: z.ZodType<DeadLetter> = z.object({
  id: z.string(),
  at: z.number(),
  where: z.string(),
  reason: z.string(),
  message: z.string(),
});
const stillParked: z.ZodType<Extract<Received, { kind: 'parked' }>> = z.object({
  kind: z.literal('parked'),
  id: z.string(),
  reason: z.string(),
  message: z.string(),
});
/** Beside these, whatever newer code put into it. */
const storedCommit = z.looseObject(commit.shape);
const archivedDocument = z.object({ partition: z.string(), id: z.string(), kind: z.string(), ordinal: z.int(), body: z.looseObject({}) });
const parked = z.object({
  id: z.string(),
  at: z.number(),
  door: z.string(),
  reason: z.string(),
  message: z.string(),
  bytes: z.int(),
  sha256: z.string(),
});

export const ANSWERS: Readonly<Record<RouteName, Answers>> = {
  page: { ...ok(z.string()), type: 'text/html; charset=utf-8' },
  health: ok(z.object({ status: z.literal('ok'), meshes: z.int() })),
  openapi: ok(z.looseObject({ openapi: z.string() })),
  status: ok(at.extend({ services: z.array(serviceStatus) })),
  overview: ok(at.extend(overview.shape)),
  metrics: { ...ok(z.string()), type: EXPOSITION_TYPE },
  apply: ok(z.object({ ok: z.literal(true), mesh: z.string(), revision: z.string(), answer }), 422),
  drift: ok(at.extend({ drift: z.array(driftReport) })),
  lookForDrift: ok(at.extend({ drift: z.array(driftReport) })),
  parked: ok(z.object({ parked: z.array(parked) })),
  parkedOne: ok(parked.extend({ text: z.string() }), 404),
  deadLetters: ok(z.object({ letters: z.array(letter), unseen: z.array(z.object({ where: z.string(), message: z.string() })) })),
  deadLetter: ok(z.object({ id: z.string(), where: z.string(), text: z.string() }), 404),
  sendAgain: ok(z.object({ received: z.array(z.union([received, stillParked])) }), 404, 409),
  events: taken(received, 409, 422),
  alerts: taken(received, 409, 422),
  observations: taken(z.object({ looked: z.int() })),
  service: ok(serviceStatus, 404),
  serviceJournal: commits,
  shadow,
  lookAtShadow: shadow,
  startRollout: taken(received, 409, 422),
  stepIn: decided,
  meshJournal: commits,
  spec: ok(
    z.object({ mesh: z.string(), spec: meshSpecSchema, revision: z.string(), specVersion: z.int(), services: z.array(serviceSpecSchema) }),
    404,
  ),
  certificates: ok(at.extend(trustStatus.shape), 404),
  trustJournal: commits,
  issueLeaf: ok(
    z.object({
      kind: z.literal('issued'),
      chain: z.string(),
      roots: z.array(z.string()),
      notAfter: z.number(),
      lifeMs: z.number(),
      signer: z.string(),
    }),
    401,
    403,
    404,
    409,
    422,
  ),
  makeJoinToken: ok(z.object({ kind: z.literal('made'), token: z.string(), endsAt: z.number() }), 403, 404),
  rotate: decided,
  rotationPlan: ok(at.extend(rotationPlan.shape), 404, 409),
  abortRotation: decided,
  proceedRotation: decided,
  approveRotation: decided,
  forceRotation: decided,
  archive: ok(z.object({ streams: z.array(archivedStreamSchema) })),
  archivedCommits: ok(z.object({ commits: z.array(storedCommit) })),
  archivedDocuments: ok(z.object({ documents: z.array(archivedDocument) })),
  restore: ok(z.object({ ok: z.literal(true) }), 409),
};

/** RFC 9457, with the reason by name; some add what is wrong in particular. */
export const problemSchema = z.looseObject({
  type: z.literal('about:blank'),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  reason: z.string(),
});

/** In rising order, with those that every door has. */
export function problemStatusesOf<P, Q, B>(name: RouteName, route: Route<P, Q, B>): readonly number[] {
  const statuses = [...ANSWERS[name].problems, 503];
  if (route.access.kind === 'role') statuses.push(401, 403);
  if (/\{\w+\}/.test(route.path)) statuses.push(404);
  if (takesBody(route)) statuses.push(413);
  if (takesQuery(route) || takesBody(route)) statuses.push(400);
  return [...new Set(statuses)].sort((a, b) => a - b);
}
