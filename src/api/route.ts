/** What is said of one HTTP route: who may ask, what is asked, and how it is refused when it is asked wrongly. */
import { z } from 'zod';
import type { Door, Role } from './access.ts';

/**
 * `within`: what the role has to be for. `installation`: all of it. `mesh`, `service`: the one in the path. `asked`: what the query or the
 * body names, all of it where they name nothing. `shown`: any mesh or team will do, and the answer holds what the caller may see.
 */
export type Access =
  | {
      readonly kind: 'role';
      readonly role: Role;
      readonly within: 'installation' | 'mesh' | 'service' | 'asked' | 'shown';
      readonly door?: Door;
    }
  /** Everybody is let in; `because` says why that does no harm. */
  | { readonly kind: 'open'; readonly because: string };

export interface Route<Params, Query, Body> {
  /** Of the function, and the operation. */
  readonly name: string;
  readonly method: 'GET' | 'POST';
  /** With `{name}` for each parameter and no slash before it. */
  readonly path: string;
  /** One sentence. */
  readonly summary: string;
  readonly access: Access;
  readonly params: z.ZodType<Params>;
  /** 404 where `params` do not fit. */
  readonly unknown: { readonly reason: string; readonly message: string };
  readonly query: z.ZodType<Query>;
  readonly body: z.ZodType<Body>;
  /** 400 where `query` or `body` do not fit. */
  readonly wrong: { readonly reason: string; readonly message: string };
  readonly mostBytes: number;
  /** With an `Idempotency-Key` the same is answered to the same request. */
  readonly idempotent: boolean;
}

const NO_BODY = z.undefined();
const NO_QUERY = z.object({});

export const ONE_MIB = 1024 * 1024;

/** What most routes have in common. */
export const PLAIN = {
  params: z.object({}),
  query: NO_QUERY,
  body: NO_BODY,
  unknown: { reason: 'UnknownName', message: 'Names of meshes and services have up to 63 of a-z, 0-9 and "-"; check the path.' },
  wrong: { reason: 'NotARequest', message: 'Ask as the description of this route says.' },
  mostBytes: ONE_MIB,
  idempotent: false,
} as const;

/** Only so that the types of params, query and body are those of its schemas. */
export const defineRoute = <Params, Query, Body>(route: Route<Params, Query, Body>): Route<Params, Query, Body> => route;

export function takesQuery<P, Q, B>(route: Route<P, Q, B>): boolean {
  const query: z.ZodType = route.query;
  return query !== NO_QUERY;
}

export function takesBody<P, Q, B>(route: Route<P, Q, B>): boolean {
  const body: z.ZodType = route.body;
  return body !== NO_BODY;
}
