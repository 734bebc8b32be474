/** Holds an answer of the API to what the OpenAPI document says of its route, for tests that ask it over HTTP. */
import { ANSWERS, problemSchema, problemStatusesOf } from '../../src/api/answers.ts';
import type { Route } from '../../src/api/route.ts';
import { ROUTES, type RouteName } from '../../src/api/routes.ts';

const isRouteName = (name: string): name is RouteName => Object.hasOwn(ROUTES, name);
const routes = Object.keys(ROUTES)
  .filter(isRouteName)
  .map((name) => {
    const route: Route<unknown, unknown, unknown> = ROUTES[name];
    const path = route.path.replace(/\{\w+:[^}]*\?\}/, '').replaceAll(/\{\w+\}/g, '[^/]+');
    return { name, route, pattern: new RegExp(`^/${path}$`) };
  });

export interface AnswerSeen {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly status: number;
  readonly contentType: string;
  /** Parsed, if it was JSON. */
  readonly body: unknown;
}

/** Throws where the route says nothing of such an answer. What no route serves is the host's to answer. */
export function conforms({ method, path, status, contentType, body }: AnswerSeen): void {
  const { pathname } = new URL(path, 'http://host');
  const found = routes.find(({ route, pattern }) => route.method === method && pattern.test(pathname));
  if (!found) return;
  const { name, route } = found;
  const expected = ANSWERS[name];
  const wrong = (why: string): Error => new Error(`${method} ${path} answers ${status} and not as ${name} does: ${why}`);
  if (status === expected.status) {
    if (contentType !== expected.type) throw wrong(`its type is ${contentType}`);
    const read = expected.content.safeParse(body);
    if (!read.success) throw wrong(read.error.message);
    return;
  }
  if (!problemStatusesOf(name, route).includes(status)) throw wrong('that is none of its statuses');
  if (contentType !== 'application/problem+json') throw wrong(`its type is ${contentType}`);
  const read = problemSchema.safeParse(body);
  if (!read.success || read.data.status !== status) throw wrong('it is no problem');
}
