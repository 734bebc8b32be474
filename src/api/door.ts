/**
 * The way in for every HTTP trigger: who asks, how much, is it JSON; then one use case; then its answer. What throws
 * behind this door is a transient fault: 503, and the sender may send the same again.
 */
import type { App } from '../app.ts';
import { theInstallation } from '../wiring.ts';
import { authenticate } from './authenticate.ts';
import { type HttpAnswer, problem } from './problem.ts';

const MAX_BODY_BYTES = 1024 * 1024;
const MAX_SHOWN_BYTES = 64 * 1024;

/** What is used of a request: Azure's HttpRequest has it. */
export interface Asked {
  readonly headers: { get(name: string): string | null };
  readonly query: { get(name: string): string | null };
  readonly params: Readonly<Record<string, string>>;
  text(): Promise<string>;
}

interface Write {
  readonly app: App;
  readonly actor: string;
  /** Parsed JSON; the raw text where it was none. */
  readonly body: unknown;
}

export async function read(use: (app: App) => Promise<HttpAnswer>): Promise<HttpAnswer> {
  return guarded(async () => use((await theInstallation()).app));
}

export async function write(request: Asked, use: (write: Write) => Promise<HttpAnswer>): Promise<HttpAnswer> {
  return guarded(async () => {
    const { app, authentication } = await theInstallation();
    const caller = authenticate(authentication, request.headers.get('authorization'));
    if (!caller.ok) return problem(401, 'NotAuthenticated', caller.message);
    const text = await request.text();
    if (Buffer.byteLength(text) > MAX_BODY_BYTES) return problem(413, 'TooLarge', 'Send no more than 1 MiB at once.');
    return use({ app, actor: caller.actor, body: parsed(text) });
  });
}

/** Where what is sent proves by itself who sends it: the body is all there is, and less of it is taken. */
export async function show(request: Asked, use: (shown: Pick<Write, 'app' | 'body'>) => Promise<HttpAnswer>): Promise<HttpAnswer> {
  return guarded(async () => {
    const text = await request.text();
    if (Buffer.byteLength(text) > MAX_SHOWN_BYTES) return problem(413, 'TooLarge', 'Send no more than 64 KiB at once.');
    return use({ app: (await theInstallation()).app, body: parsed(text) });
  });
}

async function guarded(use: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
  try {
    return await use();
  } catch (error) {
    console.error(error);
    return problem(503, 'TemporaryFault', 'This could not be done just now; nothing is half done, send the same again.');
  }
}

function parsed(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text, wholeCharacters);
  } catch {
    return text;
  }
}

/** JSON can spell half a character, and a journal cannot keep one: U+FFFD stands for it. */
const wholeCharacters = (_key: string, value: unknown): unknown => (typeof value === 'string' ? value.toWellFormed() : value);
