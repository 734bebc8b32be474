/**
 * Believes the tokens by which workloads say who they are: service-account tokens of Kubernetes clusters and access tokens of Entra ID,
 * as JWTs (RFC 7519) signed by an issuer that the spec names. Of what a token says, only the identity is handed on, and a digest by which the token is known again.
 */
import type { JWTPayload } from 'jose';
import { z } from 'zod';
import { sha256 } from '../journal/hash.ts';
import {
  type AttestationRefusal,
  type OidcAttestation,
  type OidcAttested,
  refusedToken,
  type TokenVerifier,
} from '../trust/attestation.ts';
import { ENTRA_AUTHORITY, entraIssuers } from './entra-issuers.ts';
import { type IssuerAddress, type IssuerKeysOptions, issuerKeys } from './issuer-keys.ts';
import { issuerOf, shown, TOLERANCE_S, verifySigned } from './signed-token.ts';

export interface TokenVerifierOptions extends IssuerKeysOptions {
  /** Of Entra ID; another one in national clouds. */
  readonly entraAuthority?: string;
}

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
  const authority = options.entraAuthority ?? ENTRA_AUTHORITY;

  return {
    async attest(token, kind, rules) {
      const claimed = issuerOf(token);
      if (claimed === undefined)
        return refusedToken('TokenMalformed', 'The token is no signed JWT with an issuer; send it as it was given.');
      const believed = rules.filter((rule) => rule.kind === kind).map((rule) => believedBy(rule, authority));
      const ofIssuer = believed.filter(({ issuers }) => issuers.includes(claimed));
      if (!isSome(ofIssuer)) {
        return refusedToken('TokenIssuerUnknown', `The spec names no ${kind} issuer ${shown(claimed)}; tokens of others are not believed.`);
      }
      const [{ address, issuers }] = ofIssuer;
      const verified = await verifySigned(token, {
        issuers,
        audiences: ofIssuer.map(({ audience }) => audience),
        forAnotherAudience: 'The token was given for another audience; ask for one with the `audience` of the spec.',
        keys: () => keysOf(address),
        now: options.now(),
      });
      return verified.kind === 'refused' ? verified : attestedBy(token, verified.payload, ofIssuer);
    },
  };
}

const isSome = <Item>(items: readonly Item[]): items is readonly [Item, ...Item[]] => items.length > 0;

function believedBy(rule: OidcAttestation, authority: string): Believed {
  if (rule.kind === 'kubernetes') {
    return { address: { discovery: rule.issuer, issuer: rule.issuer }, issuers: [rule.issuer], audience: rule.audience, rule };
  }
  const { v1, v2 } = entraIssuers(authority, rule.tenant);
  return { address: { discovery: v2, issuer: v2 }, issuers: [v2, v1], audience: rule.audience, rule };
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
