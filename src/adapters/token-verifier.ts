/**
 * Believes the tokens by which workloads say who they are: service-account tokens of Kubernetes clusters and access tokens of Entra ID,
 * as JWTs (RFC 7519) signed by an issuer that the spec names. Of what a token says, only the identity is handed on, and a digest by which the token is known again.
 */
import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import { z } from 'zod';
import { sha256 } from '../journal/hash.ts';
import {
  type AttestationRefusal,
  type OidcAttestation,
  type OidcAttested,
  refusedToken,
  type TokenVerifier,
} from '../trust/attestation.ts';
import { type IssuerAddress, type IssuerKeysOptions, IssuerUnavailable, issuerKeys } from './issuer-keys.ts';

export interface TokenVerifierOptions extends IssuerKeysOptions {
  /** Of Entra ID; another one in national clouds. */
  readonly entraAuthority?: string;
}

const ENTRA_AUTHORITY = 'https://login.microsoftonline.com';
/** What tokens of version 1 name as their issuer, whatever authority gave them. */
const ENTRA_V1 = 'https://sts.windows.net';
const LONGEST_TOKEN = 16 * 1024;
/** Clocks of whoever signs and of this machine may be this far apart. */
const TOLERANCE_S = 300;
/** What clusters and Entra ID sign with; nothing with a shared key, and not `none`. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384'];

const SERVICE_ACCOUNT = /^system:serviceaccount:([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?):([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)$/;
const entraClaimsSchema = z.object({ tid: z.uuid(), oid: z.uuid() });
/** Kubernetes, "Schema for service account private claims": there where the token was projected into a pod. */
const podClaimsSchema = z.object({ 'kubernetes.io': z.object({ pod: z.object({ uid: z.string().min(1) }) }) });
/** `uti` is what Entra ID names a token by, `jti` what others do (RFC 7519, 4.1.7). */
const idClaimsSchema = z.union([
  z.object({ uti: z.string().min(1) }).transform(({ uti }) => uti),
  z.object({ jti: z.string().min(1) }).transform(({ jti }) => jti),
]);

/** An issuer to believe, and what its tokens must be. */
interface Believed {
  readonly address: IssuerAddress;
  readonly issuers: readonly string[];
  readonly audience: string;
  readonly rule: OidcAttestation;
}

export function tokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const keysOf = issuerKeys(options);
  const authority = (options.entraAuthority ?? ENTRA_AUTHORITY).replace(/\/+$/, '');

  return {
    async attest(token, kind, rules) {
      const claimed = token.length <= LONGEST_TOKEN ? issuerOf(token) : undefined;
      if (claimed === undefined)
        return refusedToken('TokenMalformed', 'The token is no signed JWT with an issuer; send it as it was given.');
      const believed = rules.filter((rule) => rule.kind === kind).map((rule) => believedBy(rule, authority));
      const ofIssuer = believed.filter(({ issuers }) => issuers.includes(claimed));
      if (!isSome(ofIssuer)) {
        return refusedToken('TokenIssuerUnknown', `The spec names no ${kind} issuer ${shown(claimed)}; tokens of others are not believed.`);
      }
      const verified = await verify(token, ofIssuer, options);
      return verified.kind === 'refused' ? verified : attestedBy(token, verified.payload, ofIssuer);
    },
  };

  async function verify(
    token: string,
    ofIssuer: readonly [Believed, ...Believed[]],
    { now }: TokenVerifierOptions,
  ): Promise<{ readonly kind: 'verified'; readonly payload: JWTPayload } | AttestationRefusal> {
    const [{ address, issuers }] = ofIssuer;
    try {
      const { payload } = await jwtVerify(token, await keysOf(address), {
        issuer: [...issuers],
        audience: ofIssuer.map(({ audience }) => audience),
        algorithms: ALGORITHMS,
        clockTolerance: TOLERANCE_S,
        currentDate: new Date(now()),
        // Tokens of the secrets that clusters once made never end: those are not believed.
        requiredClaims: ['exp', 'sub'],
      });
      return { kind: 'verified', payload };
    } catch (error) {
      return refusalOf(error);
    }
  }
}

const isSome = <Item>(items: readonly Item[]): items is readonly [Item, ...Item[]] => items.length > 0;

/** Only to choose among the issuers of the spec: nothing is believed yet. */
function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

function believedBy(rule: OidcAttestation, authority: string): Believed {
  if (rule.kind === 'kubernetes') {
    return { address: { discovery: rule.issuer, issuer: rule.issuer }, issuers: [rule.issuer], audience: rule.audience, rule };
  }
  const issuer = `${authority}/${rule.tenant}/v2.0`;
  return { address: { discovery: issuer, issuer }, issuers: [issuer, `${ENTRA_V1}/${rule.tenant}/`], audience: rule.audience, rule };
}

/** By what is signed alone: the signature of the same token can be written in more than one way. */
function knownAgainBy(token: string, payload: JWTPayload): OidcAttested['token'] {
  const pod = podClaimsSchema.safeParse(payload);
  const id = idClaimsSchema.safeParse(payload);
  const known = pod.success
    ? ['pod', pod.data['kubernetes.io'].pod.uid]
    : id.success
      ? ['id', id.data]
      : ['signed', token.slice(0, token.lastIndexOf('.'))];
  return { id: sha256(JSON.stringify([payload.iss, ...known])), endsAt: ((payload.exp ?? 0) + TOLERANCE_S) * 1_000 };
}

function attestedBy(token: string, payload: JWTPayload, ofIssuer: readonly [Believed, ...Believed[]]): OidcAttested | AttestationRefusal {
  const [{ rule }] = ofIssuer;
  const known = knownAgainBy(token, payload);
  const named = [payload.aud ?? []].flat();
  const audiences = ofIssuer.map(({ audience }) => audience).filter((audience) => named.includes(audience));
  if (rule.kind === 'kubernetes') {
    const [, namespace, , serviceAccount] = SERVICE_ACCOUNT.exec(payload.sub ?? '') ?? [];
    if (namespace === undefined || serviceAccount === undefined) {
      return refusedToken('TokenSubjectUnusable', 'The token is not about a service account; use a projected service-account token.');
    }
    return { kind: 'kubernetes', issuer: rule.issuer, audiences, namespace, serviceAccount, token: known };
  }
  const claims = entraClaimsSchema.safeParse(payload);
  if (!claims.success || claims.data.tid !== rule.tenant) {
    return refusedToken('TokenSubjectUnusable', 'The token names no principal (`oid`) of the tenant; ask Entra ID for an access token.');
  }
  return { kind: 'entra', tenant: rule.tenant, audiences, principal: claims.data.oid, token: known };
}

/** Throws what is no fault of the token. */
function refusalOf(error: unknown): AttestationRefusal {
  if (error instanceof errors.JWTExpired) {
    return refusedToken('TokenExpired', 'The token has ended; read it again from where it is renewed.');
  }
  if (error instanceof errors.JWTClaimValidationFailed) return refusedClaim(error.claim, error.reason);
  if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWKSNoMatchingKey) {
    return refusedToken('TokenSignatureWrong', 'The token was not signed by a key of its issuer.');
  }
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) {
    throw new IssuerUnavailable('The keys of the issuer could not be read.', { cause: error });
  }
  if (error instanceof errors.JOSEError && error.code !== 'ERR_JOSE_GENERIC') {
    return refusedToken('TokenMalformed', 'The token is no JWT that is signed as clusters and Entra ID sign.');
  }
  throw error instanceof IssuerUnavailable ? error : new IssuerUnavailable('The keys of the issuer could not be read.', { cause: error });
}

function refusedClaim(claim: string, reason: string): AttestationRefusal {
  if (claim === 'aud') {
    return refusedToken(
      'TokenForAnotherAudience',
      'The token was given for another audience; ask for one with the `audience` of the spec.',
    );
  }
  if (claim === 'nbf' && reason === 'check_failed') {
    return refusedToken(
      'TokenNotYetValid',
      'The token counts only later: the clocks of its issuer and of meshwright are over 5 minutes apart.',
    );
  }
  return refusedToken('TokenMalformed', `The token's claim ${shown(claim)} is missing or is not what it must be.`);
}

/** What others wrote, cut and without what could steer a log. */
const shown = (text: string): string => JSON.stringify(text.slice(0, 200));
