/**
 * Talking to a running meshwright: one request, one answer that is what it should be, or one sentence that says what is wrong.
 * Nothing is asked twice and no redirect is followed.
 */
import type { z } from 'zod';
import { problemSchema } from './answers.ts';
import { Failure } from './failure.ts';
import { problemLine } from './spec-folder.ts';
import type { Terminal } from './terminal.ts';
import { isLoopback, tokensFor } from './token.ts';

const DEFAULT_URL = 'http://localhost:7071';
const TIMEOUT_MS = 60_000;

/** Nothing answered; somebody who watches goes on. */
export class NobodyAnswers extends Failure {}

/** Meshwright answers, and no such mesh is adopted there. */
export class UnknownMesh extends Failure {}

export interface Connection {
  /** @throws Failure for whatever is not the answer that `schema` describes. */
  get<Answer>(path: string, schema: z.ZodType<Answer>): Promise<Answer>;
  /** `more`: further headers. */
  post<Answer>(path: string, body: unknown, schema: z.ZodType<Answer>, more?: Readonly<Record<string, string>>): Promise<Answer>;
}

interface Asking extends RequestInit {
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Installation {
  readonly url?: string;
  readonly audience?: string;
}

/** `url` as given, or `MESHWRIGHT_URL`, or where `npm start` listens; `audience` as given, or `MESHWRIGHT_AUDIENCE`. */
export function connect({ url, audience }: Installation, terminal: Terminal): Connection {
  const base = readUrl(url ?? (terminal.environment.MESHWRIGHT_URL || DEFAULT_URL));
  const tokens = tokensFor(base, terminal, audience ?? (terminal.environment.MESHWRIGHT_AUDIENCE || undefined));
  const shown = `${base.origin}${base.pathname}`.replace(/\/$/, '');

  async function ask<Answer>(path: string, options: Asking, schema: z.ZodType<Answer>): Promise<Answer> {
    const token = await tokens();
    const headers = {
      ...options.headers,
      accept: 'application/json',
      ...(options.body ? { 'content-type': 'application/json' } : {}),
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    };
    const { status, content } = await answerOf(new URL(path, `${shown}/`), { ...options, headers });
    if (status >= 200 && status < 300) {
      const answer = schema.safeParse(content);
      if (answer.success) return answer.data;
      throw new Failure(`What answers at ${shown} is no meshwright, or one of another version: its answer to ${path} is not understood.`);
    }
    const problem = problemSchema.safeParse(content);
    if (problem.success && status === 404 && problem.data.reason === 'UnknownMesh') throw new UnknownMesh(problem.data.detail);
    if (problem.success) throw new Failure(problem.data.detail, { details: (problem.data.problems ?? []).map(problemLine) });
    throw new Failure(`What answers at ${shown} is no meshwright, or it failed: it answers ${path} with ${status}.`);
  }

  async function answerOf(to: URL, options: RequestInit): Promise<{ status: number; content: unknown }> {
    try {
      const response = await fetch(to, { ...options, redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) });
      return { status: response.status, content: parsed(await response.text()) };
    } catch (error) {
      if (error instanceof Error && error.name === 'TimeoutError') {
        throw new NobodyAnswers(`${shown} did not answer within ${TIMEOUT_MS / 1_000} s; look at its log, and ask again.`);
      }
      const remedy = isLoopback(base) ? 'start one with `npm start`' : 'check the address';
      throw new NobodyAnswers(`No meshwright answers at ${shown}; ${remedy}.`);
    }
  }

  return {
    get: (path, schema) => ask(path, { method: 'GET' }, schema),
    post: (path, body, schema, headers = {}) => ask(path, { method: 'POST', body: JSON.stringify(body), headers }, schema),
  };
}

function readUrl(text: string): URL {
  const url = URL.parse(text);
  if (url && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') return url;
  throw new Failure('The address of meshwright must be one of the web, such as http://localhost:7071, without a name or password.', {
    exitCode: 2,
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
