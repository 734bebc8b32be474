/** Everybody who may ask: with every role everywhere, in a mesh, for a team; with a door's role or key; and with tokens that are not to be believed. */
import { createHash } from 'node:crypto';
import { generateKeyPair, SignJWT } from 'jose';
import { DOORS, doorRolesOf, ROLES } from '../../src/api/access.ts';
import { type LocalIssuer, startIssuer } from '../adapters/local-issuer.ts';

export const TENANT = '7b0ad1a6-7e5c-4b0e-9e5f-0d1c2b3a4f55';
const OTHER_TENANT = '1c9f8f3e-2b6d-4e0a-8c55-6a7b8c9d0e1f';
const AUDIENCE = '5a1e7c44-93ad-4f52-8b57-0f4f9d1c2b3a';
const PLACES = ['', ':shop', ':other', ':shop/payments', ':shop/web', ':other/payments'];

/** Every role, everywhere, in each mesh and for each team. */
export const APP_ROLES: readonly string[] = ROLES.flatMap((role) => PLACES.map((place) => `${role}${place}`));
export const DOOR_ROLES: readonly string[] = DOORS.flatMap(doorRolesOf);
export const DOOR_KEYS: readonly string[] = DOORS.map((door) => `key of ${door}`);

const keyOf = (door: string): string => `${door}-key-${'k'.repeat(32)}`;

export interface Callers {
  readonly settings: Readonly<Record<string, string>>;
  /** What is sent by who has these app roles. */
  tokenWith(roles: readonly string[], more?: Readonly<Record<string, unknown>>): Promise<string>;
  /** By name: who is somebody, with the token or key that says so. */
  readonly known: ReadonlyMap<string, string>;
  /** By name: what is not to be believed; `undefined`: nothing is sent. */
  readonly unknown: ReadonlyMap<string, string | undefined>;
  stop(): Promise<void>;
}

export async function startCallers(): Promise<Callers> {
  const issuer = await startIssuer(Date.now, `/${TENANT}/v2.0`);
  const authority = issuer.url.slice(0, issuer.url.indexOf(`/${TENANT}`));
  const claims = (roles: readonly string[]) => ({
    sub: 'pairwise',
    oid: 'd3c1f0a2-4b5e-4c6d-8e7f-9a0b1c2d3e4f',
    tid: TENANT,
    aud: AUDIENCE,
    azp: AUDIENCE,
    roles,
  });
  const tokenWith: Callers['tokenWith'] = (roles, more = {}) => issuer.token({ ...claims(roles), ...more });

  const known = new Map<string, string>();
  for (const role of [...APP_ROLES, ...DOOR_ROLES]) known.set(role, await tokenWith([role]));
  for (const door of DOORS) known.set(`key of ${door}`, keyOf(door));
  known.set('no role', await tokenWith([]));
  known.set('a role that there is not', await tokenWith(['Owner', 'reader', 'Admin:*']));

  return {
    settings: {
      MESHWRIGHT_AUTH: 'entra',
      MESHWRIGHT_ENTRA_TENANTS: TENANT,
      MESHWRIGHT_ENTRA_AUDIENCES: AUDIENCE,
      MESHWRIGHT_ENTRA_AUTHORITY: authority,
      MESHWRIGHT_DOOR_KEYS: DOORS.map((door) => `${door}=${createHash('sha256').update(keyOf(door)).digest('hex')}`).join(','),
    },
    tokenWith,
    known,
    unknown: await notToBeBelieved(issuer, authority, claims(['Admin', 'Approver'])),
    stop: () => issuer.stop(),
  };
}

async function notToBeBelieved(
  issuer: LocalIssuer,
  authority: string,
  admin: Readonly<Record<string, unknown>>,
): Promise<ReadonlyMap<string, string | undefined>> {
  const seconds = Math.floor(Date.now() / 1_000);
  const { privateKey } = await generateKeyPair('ES256');
  const unsigned = [{ alg: 'none' }, { ...admin, iss: issuer.url, exp: seconds + 600 }];
  return new Map([
    ['no token', undefined],
    ['garbage', 'garbage'],
    ['a key of no door', 'alerts-key'],
    ['wrong audience', await issuer.token({ ...admin, aud: 'https://vault.azure.net' })],
    ['wrong tenant', await issuer.token({ ...admin, iss: `${authority}/${OTHER_TENANT}/v2.0`, tid: OTHER_TENANT })],
    ['wrong tenant in the claims', await issuer.token({ ...admin, tid: OTHER_TENANT })],
    ['wrong issuer', await issuer.token({ ...admin, iss: 'https://issuer.example' })],
    ['expired', await issuer.token({ ...admin, exp: seconds - 3_600 })],
    ['not yet valid', await issuer.token({ ...admin, nbf: seconds + 3_600, exp: seconds + 7_200 })],
    [
      'unknown key',
      await new SignJWT({ ...admin, iss: issuer.url, exp: seconds + 600 })
        .setProtectedHeader({ alg: 'ES256', kid: 'nobodys' })
        .sign(privateKey),
    ],
    ['forged', await issuer.forged(admin)],
    ['alg none', `${unsigned.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`],
    ['an ID token', await issuer.token({ ...admin, azp: undefined })],
  ]);
}
