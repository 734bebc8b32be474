/**
 * Who asks. `token`: one developer token, as local hosts have it. `function-keys`: the Functions host has checked the key
 * of every function that is registered with `authLevel: 'function'` before this code runs. Anything else is nobody.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

export type Authentication =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'function-keys' }
  | { readonly kind: 'none' };

export type Caller = { readonly ok: true; readonly actor: string } | { readonly ok: false; readonly message: string };

/** `authorization` is the header as it came. */
export function authenticate(authentication: Authentication, authorization: string | null): Caller {
  switch (authentication.kind) {
    case 'function-keys':
      return { ok: true, actor: 'function key' };
    case 'none':
      return { ok: false, message: 'This installation lets nobody in: set MESHWRIGHT_AUTH to "token" or "function-keys".' };
    case 'token': {
      const given = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1];
      if (given === undefined) return { ok: false, message: 'Send the token of .meshwright/token as "Authorization: Bearer <token>".' };
      if (!sameSecret(given, authentication.token)) return { ok: false, message: 'This token is not the one this host was started with.' };
      return { ok: true, actor: 'local token' };
    }
  }
}

/** In a time that does not tell how much of it was right. */
export function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
