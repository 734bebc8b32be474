/**
 * The way in for every HTTP trigger: who asks, whether they may, how much, whether it is what the route takes; then one use case; then its
 * answer. What throws behind this door is a transient fault: 503, and the sender may send the same again.
 */
import { randomUUID } from 'node:crypto';
import type { App } from '../app.ts';
import { theInstallation } from '../wiring.ts';
import type { Caller } from './access.ts';
import { admit, type Credentials, type Place } from './admission.ts';
import { type HttpAnswer, problem } from './problem.ts';
import { type Route, takesBody } from './route.ts';

/** What is used of a request: Azure's HttpRequest has it. */
export interface Request extends Credentials {
  readonly query: Credentials['query'] & Iterable<[string, string]>;
  readonly params: Readonly<Record<string, string>>;
  text(): Promise<string>;
}

export interface Asked<Params, Query, Body> {
  readonly app: App;
  readonly caller: Caller;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** What the sender calls this request; or a name that no other request has. */
  readonly key: string;
  /** Of routes `within: 'asked'`: what to answer where the caller may not do this there. */
  refuse(place: Place): Promise<HttpAnswer | undefined>;
}

export type Use<Params, Query, Body> = (asked: Asked<Params, Query, Body>) => Promise<HttpAnswer>;

export async function answer<P, Q, B>(route: Route<P, Q, B>, request: Request, use: Use<P, Q, B>): Promise<HttpAnswer> {
  try {
    const { app, authentication } = await theInstallation();
    const admitted = await admit(app, authentication, route.access, request, request.params);
    if (admitted.kind === 'refused') return admitted.answer;
    const { caller, refuse } = admitted;
    const params = route.params.safeParse(request.params);
    if (!params.success) return problem(404, route.unknown.reason, route.unknown.message);
    const query = route.query.safeParse(Object.fromEntries(request.query));
    if (!query.success) return problem(400, route.wrong.reason, route.wrong.message);
    const text = takesBody(route) ? await request.text() : '';
    if (Buffer.byteLength(text) > route.mostBytes) {
      return problem(413, 'TooLarge', `Send no more than ${route.mostBytes / 1024} KiB at once.`);
    }
    const body = route.body.safeParse(parsed(text));
    if (!body.success) return problem(400, route.wrong.reason, route.wrong.message);
    const key = request.headers.get('idempotency-key') ?? randomUUID();
    if (!/^[!-~]{1,256}$/.test(key)) return problem(400, 'NotARequest', 'Give an Idempotency-Key of up to 256 letters, digits and signs.');
    return await use({ app, caller, params: params.data, query: query.data, body: body.data, key, refuse });
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
