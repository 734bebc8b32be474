/**
 * Requests to `catalog`, unless another target is named, through the caller's Envoy, each over a connection of its own and none tried twice. Backends count
 * for themselves; here is counted what a caller sees: which version answered, or that none did.
 */
import { request } from 'node:http';

const TIMEOUT_MS = 10_000;

/** A port is that of `catalog` at 127.0.0.1, path `/items`. */
export interface Target {
  readonly port: number;
  readonly address?: string;
  /** The Host header. */
  readonly host?: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Outcome = { readonly version: string; readonly status: number } | { readonly failure: string };

export interface Tally {
  requests: number;
  /** By version, as the answers say. */
  readonly answers: Map<string, number>;
  /** What no backend answered: the mesh's own failures. */
  readonly failures: string[];
}

/** Never rejects. */
export function ask(target: number | Target): Promise<Outcome> {
  const {
    port,
    address = '127.0.0.1',
    host = 'catalog',
    path = '/items',
    method = 'GET',
    headers = {},
  } = typeof target === 'number' ? { port: target } : target;
  return new Promise((resolve) => {
    const failed = (failure: string): void => resolve({ failure });
    const call = request(
      { host: address, port, path, method, headers: { ...headers, host }, agent: false, timeout: TIMEOUT_MS },
      (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk));
        response.on('error', (error) => failed(error.message));
        response.on('end', () => {
          const version = response.headers['x-version'];
          if (typeof version === 'string') resolve({ version, status: response.statusCode ?? 0 });
          else failed(`${response.statusCode} ${body}`);
        });
      },
    );
    call.on('error', (error) => failed(error.message));
    call.on('timeout', () => call.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    call.end();
  });
}

const emptyTally = (): Tally => ({ requests: 0, answers: new Map(), failures: [] });

function note(tally: Tally, outcome: Outcome): void {
  tally.requests += 1;
  if ('failure' in outcome) tally.failures.push(outcome.failure);
  else tally.answers.set(outcome.version, (tally.answers.get(outcome.version) ?? 0) + 1);
}

/** As fast as they are answered, eight at a time. */
export async function sendRequests(target: number | Target, count: number): Promise<Tally> {
  const tally = emptyTally();
  let begun = 0;
  const sendSome = async (): Promise<void> => {
    while (begun < count) {
      begun += 1;
      note(tally, await ask(target));
    }
  };
  await Promise.all(Array.from({ length: 8 }, sendSome));
  return tally;
}

export interface Traffic {
  /** So far. */
  readonly tally: Tally;
  /** Goes on for `ms` more and tells how many requests were answered meanwhile. */
  lasting(ms: number): Promise<number>;
  /** Resolves when the last answer is there. */
  stop(): Promise<Tally>;
}

/** A steady stream, whatever becomes of single requests. */
export function startTraffic(target: number | Target, perSecond = 100): Traffic {
  const tally = emptyTally();
  const open = new Set<Promise<void>>();
  const timer = setInterval(() => {
    const asked: Promise<void> = ask(target).then((outcome) => {
      note(tally, outcome);
      open.delete(asked);
    });
    open.add(asked);
  }, 1000 / perSecond);
  return {
    tally,
    async lasting(ms) {
      const before = tally.requests;
      await new Promise((resolve) => setTimeout(resolve, ms));
      return tally.requests - before;
    },
    async stop() {
      clearInterval(timer);
      await Promise.all(open);
      return tally;
    },
  };
}
