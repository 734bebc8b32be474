/** What `../authorities.ts` says: the steps from a wish to a verified authority, and from a root that is there to one. */
import { createHash } from 'node:crypto';
import type { Asked } from '../authorities.ts';
import type { Authority, Delegation, Issuer, KeyAlgorithm } from '../certificates.ts';
import { spiffeIdOf } from '../identity.ts';
import { wholeSeconds } from '../issuing.ts';
import { livesOf } from '../timing.ts';
import { type Vault, type VaultCertificate, type VaultKey, VaultRefused } from '../vault.ts';
import { type CertificateFacts, readCertificate } from './certificate.ts';
import { pemOf } from './pem.ts';
import {
  issuerCertificate,
  leafCertificate,
  leafSigner,
  rootCertificate,
  SERIAL_BYTES,
  type Signer,
  signerOf,
  type Validity,
} from './profiles.ts';
import { judgeKey } from './public-key.ts';
import { judgeAuthority, judgeRoot, verifyChain } from './verify-chain.ts';

/** As long as it takes to verify it; nobody ever gets it. */
const TRIAL_MS = 60_000;
const TRIAL = { namespace: 'meshwright', serviceAccount: 'trial' };

export async function makeAuthority(vault: Vault, asked: Asked): Promise<Authority> {
  const { spec, wish } = asked;
  const begun = await vault.begin({ name: spec.name, algorithm: spec.algorithm, wish });
  const kept = begun.kind === 'complete' ? begun.certificate : await completeRoot(vault, asked, begun);
  return authorityUnder(vault, kept, asked);
}

export async function adoptVersion(vault: Vault, asked: Asked & { readonly certificateId: string }): Promise<Authority> {
  const { spec, certificateId } = asked;
  const kept = (await vault.versions(spec.name)).find((version) => version.certificateId === certificateId);
  if (!kept) throw new VaultRefused(`The vault has no ${certificateId}; look which versions of ${spec.name} there are and rotate to one.`);
  if (!kept.enabled)
    throw new VaultRefused(`${certificateId} is disabled; enable it in the vault, or rotate without it to have a root made.`);
  return authorityUnder(vault, kept, asked);
}

export async function makeIssuer(vault: Vault, authority: Omit<Authority, 'issuer'>, asked: Asked): Promise<Issuer> {
  const { spec, trustDomain, wish, now } = asked;
  const root = signingRoot(authority, now);
  const key = await vault.makeKey({ name: `${spec.name}-issuer`, algorithm: authority.algorithm, wish });
  const validity = validFor(spec.issuerLifeMs, asked);
  const der = await issuerCertificate(vault, root, { trustDomain, key, serial: serialFor(key, validity), ...validity });
  const issuer = { ...recordOf(read(der, key.keyId)), keyId: key.keyId };
  await tryOut(vault, { ...authority, issuer }, key, asked);
  return issuer;
}

export async function delegateIssuer(
  vault: Vault,
  authority: Authority,
  { spec, trustDomain, now, publicKey }: Omit<Asked, 'wish'> & { readonly publicKey: Uint8Array },
): Promise<Omit<Delegation, 'dataPlane' | 'due'> & { readonly certificate: string }> {
  const validity = validFor(spec.issuerLifeMs, { spec, now });
  const der = await issuerCertificate(vault, signingRoot(authority, now), {
    trustDomain,
    key: { publicKey },
    serial: serialFor({ publicKey }, validity),
    ...validity,
  });
  const whose = `an issuer under ${authority.certificateId}`;
  const issuer = read(der, whose);
  const root = read(authority.certificate, authority.certificateId);
  if (!issuer.signedBy(root.publicKey)) throw new VaultRefused(`The vault did not sign ${whose} with its key; rotate to another root.`);
  const { fingerprint, certificate, notBefore, notAfter } = recordOf(issuer);
  return { fingerprint, certificate, notBefore, notAfter };
}

/** Throws `VaultRefused` where it has ended. */
function signingRoot(authority: Omit<Authority, 'issuer'>, now: number): Signer & Validity {
  const { certificate, keyId, algorithm, notBefore, notAfter } = authority;
  if (notAfter <= now) {
    const end = new Date(notAfter).toISOString();
    throw new VaultRefused(`The root ended ${end} and nothing under it counts any more; rotate to another root.`);
  }
  return { ...signerOf(certificate, { keyId, algorithm }), notBefore, notAfter };
}

async function completeRoot(vault: Vault, asked: Asked, key: VaultKey): Promise<VaultCertificate> {
  const { spec, trustDomain, wish } = asked;
  const validity = validFor(spec.rootLifeMs, asked);
  const algorithm = algorithmOf(key.publicKey, key.keyId);
  const certificate = await rootCertificate(vault, { trustDomain, key, algorithm, serial: serialFor(key, validity), ...validity });
  // Before it is kept: what is completed cannot be begun again.
  readRoot(certificate, `${spec.name} for ${wish}`);
  return vault.complete({ name: spec.name, wish, certificate });
}

/** What the vault keeps is judged as if it came from anywhere: it renews by its own policy, and people import. */
async function authorityUnder(vault: Vault, kept: VaultCertificate, asked: Asked): Promise<Authority> {
  const { certificateId, keyId, exportable } = kept;
  const root = readRoot(kept.certificate, certificateId);
  const authority: Omit<Authority, 'issuer'> = {
    ...recordOf(root),
    certificateId,
    keyId,
    algorithm: algorithmOf(root.publicKey, certificateId),
    origin: exportable ? 'imported' : 'made',
    formerIssuers: [],
  };
  return { ...authority, issuer: await makeIssuer(vault, authority, asked) };
}

/**
 * A leaf under the new issuer is signed and verified as workloads will. It is over the issuer's own key: whoever had that could
 * sign leafs anyway.
 */
async function tryOut(vault: Vault, authority: Authority, issuerKey: VaultKey, { trustDomain, now }: Asked): Promise<void> {
  const spiffeId = spiffeIdOf(trustDomain, TRIAL);
  const validity = { notBefore: authority.issuer.notBefore, notAfter: wholeSeconds(now + TRIAL_MS) };
  const profile = { spiffeId, publicKey: issuerKey.publicKey, ...validity };
  const { certificate } = await leafCertificate(vault, leafSigner(authority), profile, serialFor(issuerKey, validity));
  const verdict = verifyChain(certificate, [authority.issuer.certificate], [authority.certificate], { now, spiffeId });
  if (verdict.kind === 'verified') return;
  throw new VaultRefused(
    `No leaf under ${authority.certificateId} would be believed: ${verdict.message} It is not used; rotate to another root.`,
  );
}

/** Backdated by what clocks may be apart, so that it counts at once everywhere. */
function validFor(lifeMs: number, { spec, now }: Pick<Asked, 'spec' | 'now'>): Validity {
  return { notBefore: wholeSeconds(now - livesOf(spec).skewMs), notAfter: wholeSeconds(now + lifeMs) };
}

/** The key is new, and made of randomness that only the vault saw: so is its digest. Asked again, it is the same number. */
function serialFor({ publicKey }: Pick<VaultKey, 'publicKey'>, { notBefore, notAfter }: Validity): Uint8Array {
  return createHash('sha256').update(publicKey).update(`${notBefore} ${notAfter}`).digest().subarray(0, SERIAL_BYTES);
}

function algorithmOf(publicKey: Uint8Array, whose: string): KeyAlgorithm {
  const key = judgeKey(publicKey);
  if (key.kind === 'P-256' || key.kind === 'P-384') return key.kind;
  if (key.kind === 'RSA' && key.bits === 3_072) return 'RSA-3072';
  const has = key.kind === 'RSA' ? `It is an RSA key of ${key.bits} bits.` : key.message;
  throw new VaultRefused(`The key of ${whose} signs for no mesh. ${has} Use P-256, P-384 or RSA with 3072 bits.`);
}

function readRoot(certificate: Uint8Array, whose: string): CertificateFacts {
  const root = read(certificate, whose);
  const wrong = judgeAuthority(root) ?? judgeRoot(root);
  if (!wrong) return root;
  throw new VaultRefused(
    `${whose} is no root: ${wrong.message} Rotate without it to have a root made, or import one that signed itself with CA:TRUE.`,
  );
}

function read(certificate: string | Uint8Array, whose: string): CertificateFacts {
  const facts = readCertificate(certificate);
  if (!facts) throw new VaultRefused(`What the vault keeps as ${whose} is no X.509 v3 certificate; rotate to another root.`);
  return facts;
}

const recordOf = ({ der, fingerprint, notBefore, notAfter }: CertificateFacts) => ({
  fingerprint,
  certificate: pemOf('CERTIFICATE', der),
  notBefore,
  notAfter,
});
