/**
 * Callers by access tokens of Entra ID, versions 1.0 and 2.0, of people and of applications. Of a token only the object id of its principal
 * and its app roles are read; names and addresses are not.
 */
import { z } from 'zod';
import { type Grant, grantOf } from '../api/access.ts';
import type { Authenticated, Authentication } from '../api/authenticate.ts';
import { ENTRA_AUTHORITY, entraEndpoints, entraIssuers } from './entra-issuers.ts';
import { type IssuerKeysOptions, issuerKeys } from './issuer-keys.ts';
import { issuerOf, verifySigned } from './signed-token.ts';

export interface EntraCallersOptions extends IssuerKeysOptions {
  /** Ids; people sign in to the page at the first one. */
  readonly tenants: readonly string[];
  /**
   * Of this API. A client id is the audience of tokens of version 2.0, a URI that of tokens of version 1.0: which ones Entra ID gives is said by
   * `requestedAccessTokenVersion` of the app registration.
   */
  readonly audiences: readonly string[];
  /** Another one in national clouds. */
  readonly authority?: string | undefined;
}

const isClientId = (audience: string): boolean => z.guid().safeParse(audience).success;

/** `azp` (2.0) and `appid` (1.0) name the client that asked: an ID token has neither, and is for the client alone. */
const claimsSchema = z
  .object({
    tid: z.guid(),
    oid: z.guid(),
    azp: z.string().optional(),
    appid: z.string().optional(),
    roles: z.array(z.string()).max(1_000).default([]),
  })
  .refine(({ azp, appid }) => (azp ?? appid) !== undefined);

const refused = (message: string): Authenticated => ({ ok: false, message });
const HOW = 'ask Entra ID for an access token for this installation, as `meshwright --audience` does';

/** One for the life of the process. Throws `IssuerUnavailable` where Entra ID does not tell its keys. */
export function entraCallers(options: EntraCallersOptions): Authentication {
  const keysOf = issuerKeys(options);
  const authority = options.authority ?? ENTRA_AUTHORITY;
  const believed = options.tenants.map((id) => {
    const tenant = id.toLowerCase();
    return { tenant, ...entraIssuers(authority, tenant) };
  });

  const [home] = believed;
  const clientId = options.audiences.find(isClientId);
  return {
    anybody: [],
    ...(home && clientId !== undefined ? { signIn: { ...entraEndpoints(authority, home.tenant), clientId } } : {}),
    async authenticate({ bearer }) {
      if (bearer === undefined) return refused(`Send "Authorization: Bearer <token>": ${HOW}.`);
      const claimed = issuerOf(bearer);
      if (claimed === undefined) return refused(`What was sent is no access token; ${HOW}.`);
      const of = believed.find(({ v1, v2 }) => claimed === v1 || claimed === v2);
      if (!of) return refused('The token is of another tenant than those that this installation believes (MESHWRIGHT_ENTRA_TENANTS).');
      const ofVersion = (audience: string): boolean => isClientId(audience) === (claimed === of.v2);
      const verified = await verifySigned(bearer, {
        issuers: [claimed],
        audiences: options.audiences.filter(ofVersion),
        forAnotherAudience: `The token is for another audience, or of another version than the audience is for; ${HOW}.`,
        keys: () => keysOf({ discovery: of.v2, issuer: of.v2 }),
        now: options.now(),
      });
      if (verified.kind === 'refused') return refused(verified.message);
      const claims = claimsSchema.safeParse(verified.payload);
      if (!claims.success || claims.data.tid.toLowerCase() !== of.tenant)
        return refused(`The token is no access token of a principal of its tenant; ${HOW}.`);
      const grants = claims.data.roles.map(grantOf).filter((grant): grant is Grant => grant !== undefined);
      return { ok: true, caller: { actor: claims.data.oid.toLowerCase(), grants } };
    },
  };
}
