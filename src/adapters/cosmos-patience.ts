/**
 * How long one call to Cosmos DB goes on, and what is tried again within that time. The SDK's own retries are no bound: it
 * waits as long as a throttled answer says, and asks for an account it cannot find 120 times; so each call here has a budget,
 * and when that is spent the call throws and whoever asked holds. What a status tells of a write:
 * https://learn.microsoft.com/azure/cosmos-db/nosql/conceptual-resilient-sdk-applications (429 and 449 were not done; after
 * 408, 410, 503 or a broken connection nobody knows).
 */
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';

/** All in ms. */
export interface CallLimits {
  /** What a call takes at most, its retries and pauses included. */
  readonly budget: number;
  /** When an answer that has not come is waited for no longer: a connection may be open at one end only. */
  readonly answer: number;
  /** The first pause before another try, at most; it doubles with each. */
  readonly firstPause: number;
}

/** The budget is below the time for which an effect stays claimed, so that nobody takes up what is still being tried. */
export const callLimits: CallLimits = { budget: 10_000, answer: 4_000, firstPause: 50 };

const LONGEST_PAUSE_MS = 2_000;

/** What is known of a request that failed: `not done`; `unknown`, it may have been done; `refused`, the same will come of it again. */
export type Fate = 'not done' | 'unknown' | 'refused';

/** Cosmos answered a batch with a failure of one of its operations; nothing of the batch was done. */
export class BatchFailure extends Error {
  override name = 'BatchFailure';
  readonly code: number;

  constructor(status: number, operation: string, id: string) {
    super(`Cosmos DB answered ${status} to ${operation} ${id}.`);
    this.code = status;
  }
}

const failureSchema = z.object({
  code: z.union([z.number(), z.string()]),
  substatus: z.number().optional().catch(undefined),
  retryAfterInMs: z.number().min(0).optional().catch(undefined),
});

const NOT_DONE = new Set<number | string>([429, 449, 'ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
const UNKNOWN = new Set<number | string>([
  408,
  410,
  503,
  'TimeoutError',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'REQUEST_SEND_ERROR',
  'PARSE_ERROR',
]);
/** In the answer to a batch, of which nothing is done when one operation failed. */
const TRANSIENT_IN_BATCH = new Set([408, 410, 429, 449, 503]);
const SESSION_NOT_AVAILABLE = 1002;

/** The SDK says what failed in a batch in the cause of what it throws. */
export const rootOf = (error: unknown): unknown => (error instanceof Error && error.cause instanceof Error ? error.cause : error);

export function fateOf(thrown: unknown): Fate {
  const error = rootOf(thrown);
  if (error instanceof BatchFailure) return TRANSIENT_IN_BATCH.has(error.code) ? 'not done' : 'refused';
  // What is between may answer with a page or with nothing, and an answer may break off: the SDK falls over what is not JSON.
  if (error instanceof SyntaxError || error instanceof TypeError) return 'unknown';
  const failure = failureSchema.safeParse(error).data;
  if (failure === undefined) return 'refused';
  if (NOT_DONE.has(failure.code)) return 'not done';
  if (UNKNOWN.has(failure.code)) return 'unknown';
  return failure.code === 404 && failure.substatus === SESSION_NOT_AVAILABLE ? 'unknown' : 'refused';
}

/**
 * Tries again while `again(error)` says so and there is time: a pause at random below a bound that doubles (all who were
 * throttled at once come back apart), but no shorter than the answer asked for.
 * @throws what the last try that ended threw, or that there was no answer within the budget.
 */
export async function withPatience<Result>(
  limits: CallLimits,
  attempt: (signal: AbortSignal) => Promise<Result>,
  again: (error: unknown) => boolean,
): Promise<Result> {
  const ends = performance.now() + limits.budget;
  const over = AbortSignal.timeout(limits.budget);
  let last: unknown;
  for (let bound = limits.firstPause; ; bound = Math.min(bound * 2, LONGEST_PAUSE_MS)) {
    try {
      return await endedBy(over, limits.budget, attempt(over));
    } catch (error) {
      const asked = failureSchema.safeParse(rootOf(error)).data?.retryAfterInMs ?? 0;
      const wait = asked + Math.random() * bound;
      // What was answered before says more than that there was no time for another try.
      if (over.aborted) throw last ?? error;
      last = error;
      if (!again(error) || performance.now() + wait >= ends) throw error;
      await pause(wait);
    }
  }
}

/** The SDK does not look at the signal while it pauses, nor when it asks for the account. */
async function endedBy<Result>(over: AbortSignal, budget: number, work: Promise<Result>): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>();
  const end = (): void => reject(new Error(`Cosmos DB gave no answer within ${budget} ms.`));
  if (over.aborted) end();
  else over.addEventListener('abort', end);
  try {
    return await Promise.race([work, promise]);
  } finally {
    over.removeEventListener('abort', end);
  }
}
