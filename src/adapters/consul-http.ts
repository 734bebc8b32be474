/**
 * Consul's HTTP API (v1) of a server or an agent, with a time-out on every call. Consul answers 500 to what it finds wrong with an entry
 * and to its own troubles alike: those are told by their words.
 */
import { z } from 'zod';
import {
  type ChainOutcome,
  type Consul,
  ConsulUnavailable,
  chainSchema,
  type InstancesOutcome,
  type ReadOutcome,
  type Refused,
  type WriteOutcome,
} from '../dataplanes/consul/server.ts';
import type { JsonObject } from '../journal/documents.ts';

export interface ConsulAddress {
  /** Such as `https://consul.example:8501`. */
  readonly address: string;
  /** Asked for at each call; absent = as the anonymous token. */
  readonly token?: () => string;
}

const TIMEOUT_MS = 5_000;
const MESSAGE_LETTERS = 500;

/** Of a Consul without leader, one that shuts down, and a server that another one could not reach. */
const TROUBLES =
  /no cluster leader|leadership lost|node is not the leader|no known consul servers|raft is already shutdown|timed out|timeout|deadline exceeded|connection (refused|reset)|broken pipe|\bEOF\b|rate limit|not ready to serve|rpc error: lead thread|transport is closing/i;

const entrySchema = z.record(z.string(), z.json());
const indexSchema = z.looseObject({ ModifyIndex: z.int() });
const compiledSchema = z.object({ Chain: chainSchema });
const instancesSchema = z.array(
  z.object({
    Service: z.object({ Meta: z.record(z.string(), z.string()).nullish() }),
    Checks: z.array(z.object({ Status: z.string() })).nullish(),
  }),
);

interface Answer {
  readonly status: number;
  readonly index: number;
  readonly text: string;
  /** The token may not see all that there is. */
  readonly isPart: boolean;
}

/** One call and its answer, whatever that says. Throws `ConsulUnavailable`. */
export type AskConsul = (method: string, path: string, body?: JsonObject, patienceMs?: number) => Promise<Answer>;

export function askingConsul({ address, token }: ConsulAddress, timeoutMs = TIMEOUT_MS): AskConsul {
  const base = address.replace(/\/+$/, '');
  return async (method, path, body, patienceMs = timeoutMs) => {
    const headers = token === undefined ? {} : tokenHeader(token(), base);
    let answer: Answer;
    try {
      const response = await fetch(`${base}${path}`, {
        method,
        headers,
        signal: AbortSignal.timeout(patienceMs),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const index = Number(response.headers.get('x-consul-index') ?? 0) || 0;
      const isPart = response.headers.get('x-consul-results-filtered-by-acls') === 'true';
      answer = { status: response.status, index, text: await response.text(), isPart };
    } catch (error) {
      throw new ConsulUnavailable(`Consul at ${base} gave no answer: ${explained(error, patienceMs)}.`, { cause: error });
    }
    const { status, text } = answer;
    if (status === 429 || status === 502 || status === 503 || status === 504 || (status === 500 && TROUBLES.test(text)))
      throw new ConsulUnavailable(`Consul at ${base} answered ${status}: ${words(text)}`);
    return answer;
  };
}

export const refused = ({ status, text }: Pick<Answer, 'status' | 'text'>): Refused => ({
  kind: 'refused',
  message: `Consul answered ${status}: ${words(text)}`,
});

/** `timeoutMs`: within which Consul has answered each call, beside what a call asks it to wait. */
export function consulOverHttp(consul: ConsulAddress, timeoutMs = TIMEOUT_MS): Consul {
  const ask = askingConsul(consul, timeoutMs);
  const base = consul.address;
  const entryPath = (kind: string, name: string): string => `/v1/config/${kind}/${encodeURIComponent(name)}`;

  function written(answer: Answer): WriteOutcome {
    if (answer.status !== 200) return refused(answer);
    return contentOf(z.boolean(), answer, base) ? { kind: 'written' } : { kind: 'moved' };
  }

  return {
    async read(kind, name): Promise<ReadOutcome> {
      const answer = await ask('GET', entryPath(kind, name));
      if (answer.status === 404) return { kind: 'absent' };
      if (answer.status !== 200) return refused(answer);
      const entry = contentOf(entrySchema, answer, base);
      return { kind: 'found', entry, index: contentOf(indexSchema, answer, base).ModifyIndex };
    },

    write: async (entry, over) => written(await ask('PUT', `/v1/config?cas=${over}`, entry)),

    remove: async (kind, name, over) => written(await ask('DELETE', `${entryPath(kind, name)}?cas=${over}`)),

    async chain(service, after): Promise<ChainOutcome> {
      const wait = after ? `?index=${after.index}&wait=${after.waitMs}ms` : '';
      // Consul adds up to a sixteenth, so that those who wait do not come together.
      const patienceMs = timeoutMs + Math.ceil((after?.waitMs ?? 0) * (1 + 1 / 16));
      const answer = await ask('GET', `/v1/discovery-chain/${encodeURIComponent(service)}${wait}`, undefined, patienceMs);
      if (answer.status !== 200) return refused(answer);
      return { kind: 'compiled', chain: contentOf(compiledSchema, answer, base).Chain, index: answer.index };
    },

    async instances(service): Promise<InstancesOutcome> {
      const answer = await ask('GET', `/v1/health/connect/${encodeURIComponent(service)}`);
      if (answer.status !== 200) return refused(answer);
      const instances = contentOf(instancesSchema, answer, base).map(({ Service, Checks }) => ({
        meta: Service.Meta ?? {},
        serves: (Checks ?? []).every(({ Status }) => Status !== 'critical'),
      }));
      return { kind: 'listed', instances };
    },
  };
}

/** Throws `ConsulUnavailable`. Sent as it is, `fetch` would refuse it and quote it. */
export function tokenHeader(token: string, base: string): { readonly 'x-consul-token': string } {
  const trimmed = token.trim();
  if (/^[\x21-\x7e]+$/.test(trimmed)) return { 'x-consul-token': trimmed };
  throw new ConsulUnavailable(`The token for Consul at ${base} holds letters that no token has; set it once more.`);
}

/** What a success holds. Throws `ConsulUnavailable` where no Consul answers so: something else speaks in its place, for now. */
export function contentOf<Content>(schema: z.ZodType<Content>, { status, text }: Pick<Answer, 'status' | 'text'>, base: string): Content {
  const content = schema.safeParse(parsed(text));
  if (content.success) return content.data;
  throw new ConsulUnavailable(`What answers at ${base} says ${status}, and the rest not as Consul does.`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const words = (text: string): string => text.trim().replace(/\s+/g, ' ').slice(0, MESSAGE_LETTERS);

function explained(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `none in ${timeoutMs} ms`;
  // What fetch says is "fetch failed"; why is in its cause.
  return error.cause instanceof Error ? error.cause.message || error.cause.name : error.message;
}
