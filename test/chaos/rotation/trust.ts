/** A mesh's trust as its people see it over HTTP: asked for rotations, watched, stepped into. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { authoritySchema } from '../../../src/trust/certificates.ts';
import type { Installation } from '../../e2e/installation.ts';
import { until } from '../../e2e/until.ts';
import { MESH } from './fleet.ts';

const statusSchema = z.object({
  rotation: z.object({ id: z.string(), phase: z.object({ name: z.string() }), heldBy: z.string().optional() }).nullable(),
  ended: z.array(z.object({ id: z.string(), outcome: z.string() })),
});
export type TrustStatus = z.infer<typeof statusSchema>;

const answerSchema = z.object({ outcome: z.string() });
const eventSchema = z.looseObject({ type: z.string() });
const journalSchema = z.object({ commits: z.array(z.object({ events: z.array(eventSchema) })) });
const abortSchema = z.looseObject({ from: z.string() });
const madeSchema = z.object({ type: z.enum(['AuthorityEstablished', 'AuthorityPrepared']), authority: authoritySchema });

const LONGEST_PHASE_MS = 120_000;

export interface Trust {
  status(): Promise<TrustStatus>;
  /** Resolves with the rotation's id. */
  begin(): Promise<string>;
  /** The id of the rotation, where there is one. */
  underWay(): Promise<string | undefined>;
  /** Whether it was taken: there may be nothing left to go back from. */
  abort(): Promise<boolean>;
  /** The phase that the last rotation was in that was aborted. */
  lastAbortedFrom(): Promise<string | undefined>;
  /** Resolves when the rotation is in this phase, with its name. */
  inPhase(name: string): Promise<string>;
  ended(id: string): Promise<'rotated' | 'aborted'>;
  /** Every root that was ever made, with its issuer, oldest first. */
  authorities(): Promise<readonly z.infer<typeof authoritySchema>[]>;
}

export function trustOf(installation: Installation): Trust {
  const path = `/meshes/${MESH}`;

  const status = async (): Promise<TrustStatus> => statusSchema.parse((await installation.call('GET', `${path}/certificates`)).body);
  /** The functions may be away just now. */
  const seen = (): Promise<TrustStatus | undefined> => status().catch(() => undefined);

  /** Resolves with what speaks against it; `undefined`: it is taken. */
  async function ask(what: string, body: object = {}): Promise<string | undefined> {
    // Whoever dies with the answer on its lips is asked again, for the same.
    const headers = { 'idempotency-key': randomUUID() };
    const { answer } = await until(`${what} is answered`, async () => {
      const answer = await installation.call('POST', `${path}/${what}`, body, headers).catch(() => undefined);
      return answer && answer.status < 500 ? { answer } : undefined;
    });
    const read = answerSchema.safeParse(answer.body);
    return read.success && read.data.outcome !== 'refused' ? undefined : JSON.stringify(answer.body);
  }

  async function journal(): Promise<readonly z.infer<typeof eventSchema>[]> {
    const { body } = await until('the journal is read', () => installation.call('GET', `${path}/certificates/journal?limit=1000`));
    return journalSchema.parse(body).commits.flatMap(({ events }) => events);
  }

  return {
    status,
    async begin() {
      const against = await ask('rotation');
      if (against !== undefined) throw new Error(`No rotation can begin: ${against}`);
      return until('a rotation is under way', async () => (await seen())?.rotation?.id);
    },
    async underWay() {
      const { rotation } = await until('the functions answer', seen);
      return rotation?.id;
    },
    abort: async () => (await ask('rotation/abort', { reason: 'chaos' })) === undefined,
    async lastAbortedFrom() {
      const last = (await journal()).findLast(({ type }) => type === 'AbortBegun');
      return last && abortSchema.parse(last).from;
    },
    inPhase: (name) =>
      until(`the rotation is ${name}`, async () => ((await seen())?.rotation?.phase.name === name ? name : undefined), LONGEST_PHASE_MS),
    ended: (id) =>
      until(
        `${id} has ended`,
        async () => {
          const found = (await seen())?.ended.find((each) => each.id === id);
          return found && (found.outcome === 'rotated' ? 'rotated' : 'aborted');
        },
        2 * LONGEST_PHASE_MS,
      ),
    authorities: async () =>
      (await journal()).flatMap((event) => {
        const made = madeSchema.safeParse(event);
        return made.success ? [made.data.authority] : [];
      }),
  };
}
