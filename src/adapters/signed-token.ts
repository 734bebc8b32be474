/**
 * JWTs (RFC 7519) signed by an issuer that is believed: what all of them have to be, whatever they say. Which issuer that is must be known
 * before; nothing in a token says where its keys are.
 */
import { decodeJwt, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { z } from 'zod';
import { IssuerUnavailable } from './issuer-keys.ts';

/** Clocks of whoever signs and of this machine may be this far apart. */
export const TOLERANCE_S = 300;
const LONGEST_TOKEN = 16 * 1024;
/** What clusters and Entra ID sign with; nothing with a shared key, and not `none`. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384'];

export interface TokenRefusal {
  readonly kind: 'refused';
  readonly reason: 'TokenMalformed' | 'TokenSignatureWrong' | 'TokenExpired' | 'TokenNotYetValid' | 'TokenForAnotherAudience';
  readonly message: string;
}

export interface Expected {
  readonly issuers: readonly string[];
  readonly audiences: readonly string[];
  /** Said to who shows a token for none of them; one sentence. */
  readonly forAnotherAudience: string;
  readonly keys: () => Promise<JWTVerifyGetKey>;
  /** Epoch ms. */
  readonly now: number;
}

/** Only to choose among issuers that are known: nothing is believed yet. `undefined`: it is no JWT with an issuer. */
export function issuerOf(token: string): string | undefined {
  if (token.length > LONGEST_TOKEN) return undefined;
  try {
    // Whatever the library's types say: a stranger chose what is there.
    return z.string().safeParse(decodeJwt(token).iss).data;
  } catch {
    return undefined;
  }
}

/** @throws IssuerUnavailable where it can be neither believed nor refused. */
export async function verifySigned(
  token: string,
  expected: Expected,
): Promise<{ readonly kind: 'verified'; readonly payload: JWTPayload } | TokenRefusal> {
  try {
    const { payload } = await jwtVerify(token, await expected.keys(), {
      issuer: [...expected.issuers],
      audience: [...expected.audiences],
      algorithms: ALGORITHMS,
      clockTolerance: TOLERANCE_S,
      currentDate: new Date(expected.now),
      // Tokens of the secrets that clusters once made never end: those are not believed.
      requiredClaims: ['exp', 'sub'],
    });
    return { kind: 'verified', payload };
  } catch (error) {
    return refusalOf(error, expected);
  }
}

const refused = (reason: TokenRefusal['reason'], message: string): TokenRefusal => ({ kind: 'refused', reason, message });

/** Throws what is no fault of the token. */
function refusalOf(error: unknown, expected: Expected): TokenRefusal {
  if (error instanceof errors.JWTExpired) return refused('TokenExpired', 'The token has ended; read it again from where it is renewed.');
  if (error instanceof errors.JWTClaimValidationFailed) return refusedClaim(error.claim, error.reason, expected);
  if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWKSNoMatchingKey) {
    return refused('TokenSignatureWrong', 'The token was not signed by a key of its issuer.');
  }
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) {
    throw new IssuerUnavailable('The keys of the issuer could not be read.', { cause: error });
  }
  if (error instanceof errors.JOSEError && error.code !== 'ERR_JOSE_GENERIC') {
    return refused('TokenMalformed', 'The token is no JWT that is signed as clusters and Entra ID sign.');
  }
  throw error instanceof IssuerUnavailable ? error : new IssuerUnavailable('The keys of the issuer could not be read.', { cause: error });
}

function refusedClaim(claim: string, reason: string, { forAnotherAudience }: Expected): TokenRefusal {
  if (claim === 'aud') return refused('TokenForAnotherAudience', forAnotherAudience);
  if (claim === 'nbf' && reason === 'check_failed') {
    return refused('TokenNotYetValid', 'The token counts only later: the clocks of its issuer and of meshwright are over 5 minutes apart.');
  }
  return refused('TokenMalformed', `The token's claim ${shown(claim)} is missing or is not what it must be.`);
}

/** What others wrote, cut and without what could steer a log. */
export const shown = (text: string): string => JSON.stringify(text.slice(0, 200));
