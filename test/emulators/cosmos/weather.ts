/**
 * A day on Azure, drawn from a seed: what each request to Cosmos DB comes to when every few of them are throttled, asked to
 * retry, refused for a moment, cut off, or done without an answer. Whatever is drawn, one call meets only so much of it in a
 * row that a budget is enough: a store that gives up early fails, and so does one that takes what happened for what did not.
 */
import { z } from 'zod';
import { Random } from '../../simulation/random.ts';
import type { CosmosRequest, Fault } from './faults.ts';

const throttled: Fault = { status: 429, headers: { 'x-ms-retry-after-ms': '3' }, body: { code: 'TooManyRequests', message: 'Slow down.' } };
const retryWith: Fault = { status: 449, body: { code: 'RetryWith', message: 'Retry with.' } };
const unavailable: Fault = { status: 503, body: { code: 'ServiceUnavailable', message: 'Not now.' } };
/** As something in between answers, which knows nothing of Cosmos DB. */
const gateway: Fault = { status: 503, body: '' };
const gone: Fault = { status: 410, headers: { 'x-ms-substatus': '1002' }, body: { code: 'Gone', message: 'The partition has moved.' } };
const inBatch = (statusCode: number): Fault => ({ status: 207, body: [{ statusCode, requestCharge: 1 }] });

/** Certainly not done, or done and to be found: any write may be sent again or looked for. */
const harmless: readonly Fault[] = [throttled, retryWith, inBatch(429), inBatch(449), 'lost', 'cut'];
/** Not done, which nobody can know: only a write that can be done once may be sent again. */
const doubtful: readonly Fault[] = [unavailable, gateway, gone, 'reset'];
const any: readonly Fault[] = [...harmless, ...doubtful];
/** The SDK goes on after a broken connection by itself, a second later: not here, or a day would take an hour. */
const ofReads: readonly Fault[] = [throttled, unavailable, gateway, gone];

const operationsSchema = z.array(
  z.object({ operationType: z.string(), id: z.string().optional(), resourceBody: z.object({ id: z.string() }).optional() }),
);

export interface Weather {
  readonly of: (request: CosmosRequest) => Fault | undefined;
  /** How many requests came to what. */
  readonly seen: ReadonlyMap<string, number>;
}

/** `share`: the part of the requests that fail. The same seed and the same order of requests give the same weather. */
export function weatherOf(seed: number, share: number): Weather {
  const random = new Random(seed);
  const seen = new Map<string, number>();
  const lasts = new Map<string, number>();
  // When is chance, which is not: so a day has all of it.
  const turns = new Map<readonly Fault[], number>();
  const inTurn = (kinds: readonly Fault[]): Fault | undefined => {
    const turn = turns.get(kinds) ?? 0;
    turns.set(kinds, turn + 1);
    return kinds[turn % kinds.length];
  };
  const of = (request: CosmosRequest): Fault | undefined => {
    if (!request.path.includes('/docs')) return undefined;
    const kinds = request.batch ? (isFenced(request.body) ? any : harmless) : ofReads;
    const drawn = random.chance(share) ? inTurn(kinds) : undefined;
    const about = `${request.method} ${request.path} ${request.body}`;
    const inARow = drawn === undefined ? 0 : (lasts.get(about) ?? 0) + 1;
    lasts.set(about, inARow % 4);
    if (drawn === undefined || inARow === 4) return undefined;
    const name = typeof drawn === 'string' ? drawn : `${drawn.status}${drawn === gateway ? ' empty' : ''}`;
    seen.set(name, (seen.get(name) ?? 0) + 1);
    return drawn;
  };
  return { of, seen };
}

/** As the store has it: something is created, or replaced under its etag, that is not deleted as well. */
function isFenced(body: string): boolean {
  const operations = operationsSchema.parse(JSON.parse(body));
  const idOf = ({ id, resourceBody }: (typeof operations)[number]): string => id ?? resourceBody?.id ?? '';
  const deleted = new Set(operations.filter(({ operationType }) => operationType === 'Delete').map(idOf));
  return operations.some((each) => ['Create', 'Replace'].includes(each.operationType) && !deleted.has(idOf(each)));
}
