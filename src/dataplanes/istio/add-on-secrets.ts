/**
 * The CA of the Istio add-on of AKS as its Key Vault holds it: four secrets, each written and read by itself, so that the driver which syncs them
 * into `cacerts` may bring any mixture of what was and what is. Which one may be written next is decided here, so that none of them harms:
 * istiod refuses an issuer without its key, but it does not look at the chain, which every leaf is handed out with.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { DelegatedIssuer } from '../../trust/data-plane-trust.ts';
import { certificatesIn, covers, fingerprintOf, fingerprintsOf, issuerAmong, sameSet } from '../certificates.ts';
import { type CaCerts, orderedRoots } from './cacerts.ts';
import type { HeldSecret, VaultSecrets } from './vault-secrets.ts';

export interface SecretNames {
  readonly rootCert: string;
  readonly caCert: string;
  readonly caKey: string;
  readonly certChain: string;
}

export const ENTRIES = ['root-cert.pem', 'ca-cert.pem', 'ca-key.pem', 'cert-chain.pem'] as const;
export type Entry = (typeof ENTRIES)[number];
/** PEM of each. */
export type Files = Readonly<Record<Entry, string>>;

export const namesOf = ({ rootCert, caCert, caKey, certChain }: SecretNames): Readonly<Record<Entry, string>> => ({
  'root-cert.pem': rootCert,
  'ca-cert.pem': caCert,
  'ca-key.pem': caKey,
  'cert-chain.pem': certChain,
});

/** Where the next issuer waits, with its key, until its certificate has come into the chain; the driver does not read it. */
export const stagedNameOf = ({ caKey }: SecretNames): string => `${caKey}-next`;

export interface Held {
  /** '' where there is none. */
  readonly files: Files;
  readonly revisions: Readonly<Record<Entry, number>>;
  /** By name of the secret. */
  readonly versions: ReadonlyMap<string, string>;
  /** The highest. 0: none of it was written here. */
  readonly revision: number;
  /** Of secrets that somebody else wrote. */
  readonly others: readonly string[];
  readonly staged: DelegatedIssuer | undefined;
}

/** Throws what the vault throws. */
export async function readHeld(secrets: VaultSecrets, names: SecretNames): Promise<Held> {
  const all = [...Object.values(namesOf(names)), stagedNameOf(names)];
  const read = await Promise.all(all.map(async (name) => ({ name, secret: await secrets.read(name) })));
  const of = (name: string) => read.find((each) => each.name === name)?.secret;
  const each = <Value>(value: (secret: HeldSecret | undefined) => Value): Readonly<Record<Entry, Value>> => ({
    'root-cert.pem': value(of(names.rootCert)),
    'ca-cert.pem': value(of(names.caCert)),
    'ca-key.pem': value(of(names.caKey)),
    'cert-chain.pem': value(of(names.certChain)),
  });
  const revisions = each((secret) => secret?.revision ?? 0);
  return {
    files: each((secret) => secret?.value ?? ''),
    revisions,
    versions: new Map(read.flatMap(({ name, secret }) => (secret ? [[name, secret.version] as const] : []))),
    revision: Math.max(...Object.values(revisions)),
    others: read.flatMap(({ name, secret }) => (secret?.revision === 0 ? [name] : [])),
    staged: unstaged(of(stagedNameOf(names))?.value ?? ''),
  };
}

export const stagedText = ({ certificate, key }: DelegatedIssuer): string => `${certificate.trim()}\n${key.trim()}\n`;

function unstaged(text: string): DelegatedIssuer | undefined {
  const [certificate] = certificatesIn(text);
  const key = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n?/.exec(text)?.[0];
  return certificate && key !== undefined
    ? { fingerprint: fingerprintOf(certificate), certificate: certificate.toString(), key }
    : undefined;
}

/** What it signs with, or is about to; `undefined`: nothing that it could go on with. */
export const signerOf = ({ files, staged }: Pick<Held, 'files' | 'staged'>): string | undefined =>
  staged?.fingerprint ?? (isPair(files) ? fingerprintsOf(certificatesIn(files['ca-cert.pem']))[0] : undefined);

/** An issuer with its own key: nothing else is taken by istiod. */
export function isPair(files: Pick<Files, 'ca-cert.pem' | 'ca-key.pem'>): boolean {
  const [certificate] = certificatesIn(files['ca-cert.pem']);
  try {
    return certificate?.checkPrivateKey(createPrivateKey(files['ca-key.pem'])) ?? false;
  } catch {
    return false;
  }
}

/** Entries of which the cluster has something else than the vault: the driver has not brought them yet. */
export const behind = (held: Files, there: Files): readonly Entry[] =>
  ENTRIES.filter((entry) => held[entry].trim() !== there[entry].trim());

export type Step =
  /** One of what is there at a time, but for the issuer and its key, of which istiod refuses half. In this order. */
  | { readonly kind: 'write'; readonly writes: readonly (readonly [Entry, string])[] }
  /** An issuer is to be made and staged. */
  | { readonly kind: 'stage' }
  | { readonly kind: 'settled' };

/** Whatever else is to be: a pair of which one half is written is completed first, since istiod refuses what comes with it. */
export function halfWritten({ files, staged }: Pick<Held, 'files' | 'staged'>): Step | undefined {
  if (!staged || isPair(files)) return undefined;
  const { certificate, key } = staged;
  if (isPair({ ...files, 'ca-key.pem': key })) return { kind: 'write', writes: [['ca-key.pem', key]] };
  if (isPair({ ...files, 'ca-cert.pem': certificate })) return { kind: 'write', writes: [['ca-cert.pem', certificate]] };
  return undefined;
}

/**
 * What is written next where the cluster has what the vault has. `wanted`: the first root is to sign. `renew`: what it signs with, or has staged, is not to
 * sign any longer.
 */
export function nextStep(
  { files, staged }: Pick<Held, 'files' | 'staged'>,
  there: Pick<CaCerts, 'roots' | 'rootFingerprints'>,
  { wanted, renew }: { readonly wanted: readonly X509Certificate[]; readonly renew: boolean },
): Step {
  const roots = (next: readonly X509Certificate[]): Step => ({
    kind: 'write',
    writes: [['root-cert.pem', orderedRoots(next, there).join('')]],
  });
  const [issuer] = certificatesIn(files['ca-cert.pem']);
  const next = staged && new X509Certificate(staged.certificate);
  const isNext = next !== undefined && !(issuer && next.raw.equals(issuer.raw)) && issuerAmong(next, wanted.slice(0, 1)) !== undefined;
  if (renew || isNext) {
    // Nobody has a leaf under a root that nobody trusts.
    if (!covers(there.rootFingerprints, fingerprintsOf(wanted.slice(0, 1)))) return roots([...there.roots, ...wanted]);
    if (renew || !next || !staged) return { kind: 'stage' };
    const chain = certificatesIn(files['cert-chain.pem']);
    if (!covers(fingerprintsOf(chain), [fingerprintOf(next)]))
      return { kind: 'write', writes: [['cert-chain.pem', [...(issuer ? [issuer] : []), next].join('')]] };
    return {
      kind: 'write',
      writes: [
        ['ca-key.pem', staged.key],
        ['ca-cert.pem', staged.certificate],
      ],
    };
  }
  if (issuer && !sameSet(fingerprintsOf(certificatesIn(files['cert-chain.pem'])), [fingerprintOf(issuer)]))
    return { kind: 'write', writes: [['cert-chain.pem', issuer.toString()]] };
  if (!sameSet(there.rootFingerprints, fingerprintsOf(wanted))) return roots(wanted);
  return { kind: 'settled' };
}
