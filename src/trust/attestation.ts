/**
 * Which identity a workload may ask for, by whom its token says it is: `spec.attest` names every way there is, and what it does not
 * name is refused. Tokens of issuers are verified by whoever fills `TokenVerifier`; join tokens and those that come after them are known by
 * their SHA-256. Of a token nothing is kept but whom it is about, and a digest of which one it was.
 */
import type { Attestation } from '../spec/certificates-schema.ts';
import type { Identity } from './identity.ts';

/** Whom a token is about, once it is believed; `audiences`: those of the spec that it was given for. */
export type Attested =
  | ({ readonly kind: 'kubernetes'; readonly issuer: string; readonly audiences: readonly string[] } & Identity)
  /** `principal`: the `oid` of an application or a managed identity. */
  | { readonly kind: 'entra'; readonly tenant: string; readonly audiences: readonly string[]; readonly principal: string }
  | ({ readonly kind: 'join' } & Identity)
  | ({ readonly kind: 'renewal' } & Identity);

/** Of a token that an issuer has signed. */
export type OidcAttested = Extract<Attested, { kind: 'kubernetes' | 'entra' }> & {
  readonly token: {
    /** A digest, the same for all tokens of one pod; where a token names none, for no other token. */
    readonly id: string;
    /** Epoch ms: it is not believed from then on. */
    readonly endsAt: number;
  };
};

export interface AttestationRefusal {
  readonly kind: 'refused';
  readonly reason: AttestationReason;
  readonly message: string;
}
export type AttestationReason =
  | 'TokenMalformed'
  | 'TokenIssuerUnknown'
  | 'TokenSignatureWrong'
  | 'TokenExpired'
  | 'TokenNotYetValid'
  | 'TokenForAnotherAudience'
  | 'TokenSubjectUnusable'
  | 'TokenUnknown'
  | 'JoinTokenUsed'
  | 'NodeNotTheSame'
  | 'AttestationNotAllowed'
  | 'IdentityNotAllowed';

export const refusedToken = (reason: AttestationReason, message: string): AttestationRefusal => ({ kind: 'refused', reason, message });

/** The ways of attestation in which somebody else signs the token. */
export type OidcAttestation = Extract<Attestation, { kind: 'kubernetes' | 'entra' }>;

export interface TokenVerifier {
  /**
   * Believes a token, by the keys of the issuer that `rules` name for it, or says why not. Throws where the issuer cannot be asked: the
   * same token may be shown again.
   */
  attest(token: string, kind: OidcAttestation['kind'], rules: readonly OidcAttestation[]): Promise<OidcAttested | AttestationRefusal>;
}

export const isOidc = (rule: Attestation): rule is OidcAttestation => rule.kind !== 'join';

/**
 * Whom a believed token lets its holder be. `asked`: what the request names, where it names one; only a principal of Entra ID with
 * several identities has a choice.
 */
export function identityOf(
  rules: readonly Attestation[],
  attested: Attested,
  asked: Identity | undefined,
): { readonly kind: 'identity'; readonly identity: Identity } | AttestationRefusal {
  const ofKind = rules.filter(({ kind }) => kind === (attested.kind === 'renewal' ? 'join' : attested.kind));
  if (ofKind.length === 0) {
    return refusedToken('AttestationNotAllowed', `This mesh takes no ${attested.kind} tokens; \`attest\` in its spec names what it takes.`);
  }
  const allowed = ofKind.flatMap((rule) => identitiesBy(rule, attested));
  const [first, ...others] = asked ? allowed.filter((identity) => isSame(identity, asked)) : allowed;
  if (first && others.every((other) => isSame(first, other))) return { kind: 'identity', identity: first };
  if (first) return refusedToken('IdentityNotAllowed', `${whoIs(attested)} may be several; name one in the request.`);
  const whom = asked ? `${asked.namespace}/${asked.serviceAccount}` : 'anybody';
  return refusedToken('IdentityNotAllowed', `${whoIs(attested)} may not be ${whom}; ${howAllowed(attested)}.`);
}

/** What one rule allows. */
function identitiesBy(rule: Attestation, attested: Attested): readonly Identity[] {
  switch (attested.kind) {
    case 'kubernetes': {
      if (rule.kind !== 'kubernetes' || rule.issuer !== attested.issuer || !attested.audiences.includes(rule.audience)) return [];
      const { namespace, serviceAccount } = attested;
      return rule.namespaces && !rule.namespaces.includes(namespace) ? [] : [{ namespace, serviceAccount }];
    }
    case 'entra':
      if (rule.kind !== 'entra' || rule.tenant !== attested.tenant || !attested.audiences.includes(rule.audience)) return [];
      return rule.identities
        .filter(({ principal }) => principal === attested.principal)
        .map(({ namespace, serviceAccount }) => ({ namespace, serviceAccount }));
    case 'join':
    case 'renewal':
      return rule.kind === 'join' ? [{ namespace: attested.namespace, serviceAccount: attested.serviceAccount }] : [];
  }
}

const isSame = (one: Identity, other: Identity): boolean =>
  one.namespace === other.namespace && one.serviceAccount === other.serviceAccount;

/** Named for the audit: a service account, an application's id; never a person. */
export function whoIs(attested: Attested): string {
  return attested.kind === 'entra'
    ? `the principal ${attested.principal}`
    : `${attested.kind === 'kubernetes' ? 'the service account' : 'the workload'} ${attested.namespace}/${attested.serviceAccount}`;
}

function howAllowed({ kind }: Attested): string {
  switch (kind) {
    case 'kubernetes':
      return 'a service account asks for its own identity, in the `namespaces` that the spec names';
    case 'entra':
      return 'name it under `identities` of the tenant in the spec';
    case 'join':
    case 'renewal':
      return 'a join token is good for the identity that it was made for';
  }
}
