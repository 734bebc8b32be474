/**
 * Who asks: by the one developer token of a local host, by a key that opens one door, or by whatever else fills `Authentication` (tokens of
 * Entra ID do, in an adapter). Who shows nothing is nobody, and may do what `anybody` says.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Caller, Door, Grant } from './access.ts';

/** `code`: of the query, where keys go that their sender can put nowhere else. */
export interface Shown {
  readonly bearer?: string | undefined;
  readonly code?: string | undefined;
}

export type Authenticated = { readonly ok: true; readonly caller: Caller } | { readonly ok: false; readonly message: string };

export interface Authentication {
  readonly anybody: readonly Grant[];
  /** Where people sign in to the page; left out: there is no such place. */
  readonly signIn?: { readonly authorize: string; readonly token: string; readonly clientId: string };
  /** Throws where it cannot be told just now. */
  authenticate(shown: Shown): Promise<Authenticated>;
}

/** `sha256`: of the key, hex. */
export interface DoorKey {
  readonly door: Door;
  readonly sha256: string;
}

export const nobody: Authentication = {
  anybody: [],
  authenticate: async () => ({
    ok: false,
    message: 'This installation lets nobody in: set MESHWRIGHT_AUTH to "entra", or to "token" on one machine.',
  }),
};

/** One machine, one person: reading is free, and the token does everything else. */
export function developerToken(token: string): Authentication {
  return {
    anybody: [{ role: 'Reader' }],
    async authenticate({ bearer }) {
      if (bearer === undefined) return { ok: false, message: 'Send the token of .meshwright/token as "Authorization: Bearer <token>".' };
      if (!sameSecret(bearer, token)) return { ok: false, message: 'This token is not the one this host was started with.' };
      return { ok: true, caller: { actor: 'local token', grants: [{ role: 'Admin' }, { role: 'Approver' }] } };
    },
  };
}

/** Beside who is let in otherwise, whoever shows one of these keys; every key is compared, in a time that does not tell which it was. */
export function withDoorKeys(authentication: Authentication, keys: readonly DoorKey[]): Authentication {
  return {
    ...authentication,
    async authenticate(shown) {
      const given = [shown.bearer, shown.code].filter((each) => each !== undefined).map(sha256);
      const doors = keys.filter(({ sha256: key }) => given.map((each) => timingSafeEqual(each, Buffer.from(key, 'hex'))).includes(true));
      const [first] = doors;
      if (!first) return authentication.authenticate(shown);
      return { ok: true, caller: { actor: `key of ${first.door}`, grants: doors.map(({ door }) => ({ door })) } };
    },
  };
}

/** Of the header as it came. */
export const bearerOf = (authorization: string | null | undefined): string | undefined => /^Bearer (.+)$/i.exec(authorization ?? '')?.[1];

/** Whether a header shows this token. */
export function showsToken(authorization: string | null | undefined, token: string): boolean {
  const bearer = bearerOf(authorization);
  return bearer !== undefined && sameSecret(bearer, token);
}

/** In a time that does not tell how much of it was right. */
export const sameSecret = (given: string, expected: string): boolean => timingSafeEqual(sha256(given), sha256(expected));

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
