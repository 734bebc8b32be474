/**
 * Whether a workload gets a leaf, and which: decided from the mesh's trust, what its request asks for and who it was attested to be.
 * Pure; the signing is `x509/profiles.ts`.
 */
import { refused } from '../decision.ts';
import type { Authority } from './certificates.ts';
import { type Identity, readSpiffeId, spiffeIdOf } from './identity.ts';
import { settingsOf, type TrustState } from './state.ts';
import { livesOf } from './timing.ts';

/** Of a leaf whose issuer ends before, this share must be left: its workload comes for the next one at two thirds. */
const USEFUL_SHARE = 0.5;

/** What a leaf is to say; times are epoch ms on whole seconds, as certificates have them. */
export interface LeafProfile {
  readonly spiffeId: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** What is asked for: the key, proven to be held, and the SPIFFE ID where the request names one. */
export interface RequestFacts {
  readonly publicKey: Uint8Array;
  readonly spiffeId?: string;
}

export interface IssuingFacts {
  readonly request: RequestFacts;
  /** As the workload's token proved it. */
  readonly attested: Identity;
  /** Epoch ms. */
  readonly now: number;
}

export type IssuingRefusal = { readonly kind: 'refused'; readonly message: string } & {
  readonly reason: 'NoCertificates' | 'NotEstablished' | 'ForeignIdentity' | 'WrongTrustDomain' | 'IssuerEnding';
};

export type IssuingDecision = { readonly kind: 'issue'; readonly signer: Authority; readonly profile: LeafProfile } | IssuingRefusal;

export function decideIssuing(state: TrustState, { request, attested, now }: IssuingFacts): IssuingDecision {
  const { spec, trustDomain } = state;
  if (!spec || trustDomain === undefined) {
    return refused('NoCertificates', 'No certificates are made for this mesh; add `certificates` to its spec and apply it.');
  }
  const signer = settingsOf(state)?.signer;
  if (!signer) return refused('NotEstablished', 'The first root of this mesh is not made yet; ask again in a moment.');
  const spiffeId = spiffeIdOf(trustDomain, attested);
  const foreign = foreignIdentity(spiffeId, trustDomain, request.spiffeId);
  if (foreign) return foreign;
  const { leafLifeMs, skewMs } = livesOf(spec);
  const notBefore = Math.max(wholeSeconds(now - skewMs), signer.issuer.notBefore);
  const notAfter = Math.min(wholeSeconds(now + leafLifeMs), signer.issuer.notAfter, signer.notAfter);
  if (notAfter - now < leafLifeMs * USEFUL_SHARE) {
    const end = new Date(notAfter).toISOString();
    return refused('IssuerEnding', `The issuer in force ends ${end}, too soon for another leaf; ask again once it was renewed.`);
  }
  return { kind: 'issue', signer, profile: { spiffeId, publicKey: request.publicKey, notBefore, notAfter } };
}

/** A request may leave its name out; one that it gives is the attested one, to the letter. */
function foreignIdentity(attested: string, trustDomain: string, asked: string | undefined): IssuingRefusal | undefined {
  if (readSpiffeId(attested) === undefined) {
    return refused(
      'ForeignIdentity',
      `${JSON.stringify(attested)} is no identity that leafs are issued for; attest a namespace and a service account.`,
    );
  }
  if (asked === undefined || asked === attested) return undefined;
  const read = readSpiffeId(asked);
  if (read && read.trustDomain !== trustDomain) {
    return refused('WrongTrustDomain', `The request asks for ${asked}; this mesh's trust domain is ${trustDomain}, ask for ${attested}.`);
  }
  return refused(
    'ForeignIdentity',
    `The request asks for ${JSON.stringify(asked)}, its sender is ${attested}; ask for that or for no name.`,
  );
}

/** Certificates know no parts of a second (RFC 5280, 4.1.2.5). */
export const wholeSeconds = (ms: number): number => Math.floor(ms / 1_000) * 1_000;
