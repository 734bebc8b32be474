/**
 * Chains with what must be said of them: those that this project issues, by every algorithm and mixed, and those that must be refused.
 * One table, held against `verifyChain`, OpenSSL and Go.
 */
import { randomBytes } from 'node:crypto';
import { MemoryVault } from '../../../src/adapters/memory-vault.ts';
import { makeAuthority } from '../../../src/trust/authorities.ts';
import { type Authority, KEY_ALGORITHMS } from '../../../src/trust/certificates.ts';
import { decideIssuing } from '../../../src/trust/issuing.ts';
import { initialTrustState, type TrustState } from '../../../src/trust/state.ts';
import type { Vault } from '../../../src/trust/vault.ts';
import { x509 } from '../../../src/trust/x509/library.ts';
import { leafCertificate, leafSigner } from '../../../src/trust/x509/profiles.ts';
import type { ChainReason } from '../../../src/trust/x509/verify-chain.ts';
import { asked, DAY_MS, MINUTE_MS, NOW, TRUST_DOMAIN } from '../authorities-asked.ts';
import {
  authorityExtensions,
  ecPair,
  type LeafWishes,
  leafExtensions,
  type Made,
  make,
  type Pair,
  rsaPair,
  spkiOf,
  tampered,
} from './certificate-maker.ts';

export type Judge = 'openssl' | 'go' | 'spiffe';

export interface Chain {
  readonly name: string;
  /** PEM. */
  readonly leaf: string;
  readonly intermediates: readonly string[];
  readonly roots: readonly string[];
  /** Epoch ms. */
  readonly now: number;
  readonly spiffeId: string;
  readonly expected: 'accepted' | ChainReason;
  /** Judges that have no rule for what is wrong with it: this project's profile is narrower. */
  readonly takenBy?: readonly Judge[];
}

const IDENTITY = { namespace: 'shop', serviceAccount: 'web' };
export const SPIFFE_ID = `spiffe://${TRUST_DOMAIN}/ns/shop/sa/web`;
const SKEW_MS = 5 * MINUTE_MS;

const LEAF_KEYS: readonly (readonly [string, () => Pair])[] = [
  ['P-256', () => ecPair('P-256')],
  ['P-384', () => ecPair('P-384')],
  ['RSA-2048', () => rsaPair(2_048)],
  ['RSA-4096', () => rsaPair(4_096)],
];

export interface Issued {
  readonly authority: Authority;
  readonly vault: MemoryVault;
  readonly leaf: string;
  readonly pair: Pair;
}

export const stateWith = (authority: Authority): TrustState => ({
  ...initialTrustState,
  spec: asked('').spec,
  trustDomain: TRUST_DOMAIN,
  current: authority,
});

/** A leaf as a workload gets one: decided, then signed. */
export async function issue(vault: Pick<Vault, 'sign'>, authority: Authority, pair: Pair, now = NOW): Promise<string> {
  const decided = decideIssuing(stateWith(authority), { request: { publicKey: spkiOf(pair) }, attested: IDENTITY, now });
  if (decided.kind === 'refused') throw new Error(decided.message);
  return (await leafCertificate(vault, leafSigner(decided.signer), decided.profile, randomBytes(16))).certificate;
}

const chainOf = ({ authority, leaf }: Pick<Issued, 'authority' | 'leaf'>) => ({
  leaf,
  intermediates: [authority.issuer.certificate],
  roots: [authority.certificate],
  now: NOW,
  spiffeId: SPIFFE_ID,
});

/** Every algorithm of an authority with every one of a workload's key, and what else has to count. */
export async function acceptedChains(): Promise<readonly Chain[]> {
  const keys = LEAF_KEYS.map(([name, pair]) => ({ name, pair: pair() }));
  const authorities = await Promise.all(
    KEY_ALGORITHMS.map(async (algorithm) => {
      const vault = new MemoryVault();
      return { vault, algorithm, authority: await makeAuthority(vault, asked('first', algorithm)) };
    }),
  );
  const all: Chain[] = [];
  for (const { vault, algorithm, authority } of authorities) {
    for (const { name, pair } of keys) {
      const leaf = await issue(vault, authority, pair);
      all.push({ ...chainOf({ authority, leaf }), name: `a ${name} leaf under ${algorithm}`, expected: 'accepted' });
    }
  }
  const [first] = all;
  if (!first) throw new Error('There is no chain.');
  const [old, other] = authorities.map(({ authority }) => authority);
  const others = {
    roots: authorities.map(({ authority }) => authority.certificate).reverse(),
    intermediates: authorities.map(({ authority }) => authority.issuer.certificate).reverse(),
  };
  if (!old || !other) throw new Error('There are no authorities.');
  const late = old.issuer.notAfter - DAY_MS / 2;
  const [{ pair } = { pair: ecPair() }] = keys;
  const vault = authorities[0]?.vault ?? new MemoryVault();
  return [
    ...all,
    { ...first, ...others, name: 'amid the roots and issuers of a rotation', expected: 'accepted' },
    { ...first, name: 'by a clock that is slow, by as much as is tolerated', now: NOW - SKEW_MS, expected: 'accepted' },
    { ...first, name: 'in its last second', now: NOW + DAY_MS - 1_000, expected: 'accepted' },
    {
      ...chainOf({ authority: old, leaf: await issue(vault, old, pair, late) }),
      name: 'a leaf that is cut where its issuer ends',
      now: old.issuer.notAfter - 1_000,
      expected: 'accepted',
    },
  ];
}

interface Family {
  readonly root: Made;
  readonly issuer: Made;
}

const life = { notBefore: NOW - SKEW_MS, notAfter: NOW + DAY_MS };

async function family(rootExtensions = authorityExtensions(1), issuerExtensions = authorityExtensions(0)): Promise<Family> {
  const root = await make({ subject: `CN=root ${randomBytes(4).toString('hex')}`, ...life, extensions: rootExtensions });
  const issuer = await make({
    subject: `CN=issuer ${randomBytes(4).toString('hex')}`,
    ...life,
    extensions: issuerExtensions,
    signer: root,
  });
  return { root, issuer };
}

const under = async (signer: Made, wishes: LeafWishes = {}, pair = ecPair()): Promise<Made> =>
  make({ subject: '', ...life, extensions: leafExtensions(SPIFFE_ID, wishes), pair, signer });

export async function refusedChains(): Promise<readonly Chain[]> {
  const vault = new MemoryVault();
  const authority = await makeAuthority(vault, asked('first'));
  const stranger = await makeAuthority(new MemoryVault(), asked('first'));
  const pair = ecPair();
  const good = chainOf({ authority, leaf: await issue(vault, authority, pair) });
  const { root, issuer } = await family();
  const ours = { intermediates: [issuer.pem], roots: [root.pem], now: NOW, spiffeId: SPIFFE_ID };
  const leaf = await under(issuer);
  return [
    { ...good, name: 'a second after its end', now: NOW + DAY_MS + 1_000, expected: 'Expired' },
    { ...good, name: 'by a clock that is slower than is tolerated', now: NOW - SKEW_MS - 1_000, expected: 'NotYetValid' },
    { ...good, name: 'under a root that nobody trusts', roots: [stranger.certificate], expected: 'UnknownIssuer' },
    { ...good, name: 'without its issuer', intermediates: [], expected: 'UnknownIssuer' },
    {
      ...good,
      name: 'with an issuer in the place of a root',
      roots: [authority.issuer.certificate],
      expected: 'UnknownIssuer',
      takenBy: ['go', 'spiffe'],
    },
    { ...good, name: 'with a signature that was changed', leaf: tampered(good.leaf), expected: 'BadSignature' },
    {
      ...good,
      name: 'under an issuer whose signature was changed',
      intermediates: [tampered(authority.issuer.certificate)],
      expected: 'BadSignature',
    },
    {
      ...good,
      name: 'for another workload',
      spiffeId: `spiffe://${TRUST_DOMAIN}/ns/shop/sa/admin`,
      expected: 'ForeignIdentity',
      takenBy: NAMELESS,
    },
    {
      ...good,
      name: 'of another trust domain',
      spiffeId: 'spiffe://other.example/ns/shop/sa/web',
      expected: 'ForeignIdentity',
      takenBy: NAMELESS,
    },
    {
      ...ours,
      name: 'a leaf that signed',
      leaf: (await under(leaf)).pem,
      intermediates: [leaf.pem, issuer.pem],
      expected: 'NotAnAuthority',
    },
    await deeperThanAllowed(),
    await underRootOfLeafsAlone(),
    await underExpiredIssuer(),
    ...(await wrongProfiles(ours, issuer)),
    ...(await wrongIssuers()),
  ];
}

/** They are asked for no URI. */
const NAMELESS: readonly Judge[] = ['openssl', 'go'];

/** An issuer of path length 0 with another one below. */
async function deeperThanAllowed(): Promise<Chain> {
  const { root, issuer } = await family(authorityExtensions());
  const below = await make({ subject: 'CN=below', ...life, extensions: authorityExtensions(0), signer: issuer });
  const leaf = await under(below);
  const chain = { leaf: leaf.pem, intermediates: [below.pem, issuer.pem], roots: [root.pem], now: NOW, spiffeId: SPIFFE_ID };
  return { ...chain, name: 'with an issuer below one of path length 0', expected: 'PathTooLong' };
}

async function underRootOfLeafsAlone(): Promise<Chain> {
  const { root, issuer } = await family(authorityExtensions(0));
  const chain = { leaf: (await under(issuer)).pem, intermediates: [issuer.pem], roots: [root.pem], now: NOW, spiffeId: SPIFFE_ID };
  return { ...chain, name: 'with an issuer below a root of path length 0', expected: 'PathTooLong' };
}

async function underExpiredIssuer(): Promise<Chain> {
  const { root } = await family();
  const issuer = await make({
    subject: 'CN=ended',
    notBefore: NOW - DAY_MS,
    notAfter: NOW - 1_000,
    extensions: authorityExtensions(0),
    signer: root,
  });
  const chain = { leaf: (await under(issuer)).pem, intermediates: [issuer.pem], roots: [root.pem], now: NOW, spiffeId: SPIFFE_ID };
  return { ...chain, name: 'under an issuer that has ended', expected: 'Expired' };
}

async function wrongProfiles(ours: Omit<Chain, 'name' | 'leaf' | 'expected'>, issuer: Made): Promise<readonly Chain[]> {
  const { serverAuth, codeSigning } = x509.ExtendedKeyUsage;
  const { digitalSignature, keyCertSign } = x509.KeyUsageFlags;
  const dns = { type: 'dns', value: 'web.shop.example' } as const;
  const uri = { type: 'url', value: SPIFFE_ID } as const;
  const all: readonly Judge[] = ['openssl', 'go', 'spiffe'];
  const leaf = async (wishes: LeafWishes, pair?: Pair) => (await under(issuer, wishes, pair)).pem;
  return [
    {
      ...ours,
      name: 'that may sign others',
      leaf: await leaf({ ca: true, usages: digitalSignature | keyCertSign }),
      expected: 'WrongProfile',
      takenBy: ['go'],
    },
    {
      ...ours,
      name: 'whose key usage can be passed over',
      leaf: await leaf({ usageCritical: false }),
      expected: 'WrongProfile',
      takenBy: all,
    },
    {
      ...ours,
      name: 'for neither servers nor clients',
      leaf: await leaf({ extended: [codeSigning] }),
      expected: 'WrongProfile',
      takenBy: ['spiffe'],
    },
    {
      ...ours,
      name: 'for servers alone',
      leaf: await leaf({ extended: [serverAuth] }),
      expected: 'WrongProfile',
      takenBy: ['spiffe'],
    },
    {
      ...ours,
      name: 'with a DNS name beside its SPIFFE ID',
      leaf: await leaf({ names: [uri, dns] }),
      expected: 'ForeignIdentity',
      takenBy: all,
    },
    { ...ours, name: 'with a DNS name alone', leaf: await leaf({ names: [dns] }), expected: 'ForeignIdentity', takenBy: NAMELESS },
    {
      ...ours,
      name: 'without a subject, its name not critical',
      leaf: await leaf({ namesCritical: false }),
      expected: 'WrongProfile',
      takenBy: ['go', 'spiffe'],
    },
    { ...ours, name: 'with a key of a weak curve', leaf: await leaf({}, ecPair('secp224r1')), expected: 'WeakKey', takenBy: all },
    {
      ...ours,
      name: 'that is an authority by its constraints alone',
      leaf: await leaf({ ca: true }),
      expected: 'WrongProfile',
      takenBy: ['go'],
    },
  ];
}

async function wrongIssuers(): Promise<readonly Chain[]> {
  const { keyCertSign, digitalSignature } = x509.KeyUsageFlags;
  const [signs, cannot] = [new x509.KeyUsagesExtension(keyCertSign, true), new x509.KeyUsagesExtension(digitalSignature, true)];
  const kinds = [
    ['whose key usage is not to sign', [new x509.BasicConstraintsExtension(true, 0, true), cannot], []],
    ['that is no authority by its constraints', [new x509.BasicConstraintsExtension(false, undefined, true), signs], []],
    ['without constraints', [signs], []],
    ['whose constraints can be passed over', [new x509.BasicConstraintsExtension(true, 0, false), signs], ['go', 'spiffe']],
  ] as const;
  return Promise.all(
    kinds.map(async ([name, extensions, takenBy]) => {
      const { root, issuer } = await family(authorityExtensions(1), extensions);
      const chain = { leaf: (await under(issuer)).pem, intermediates: [issuer.pem], roots: [root.pem], now: NOW, spiffeId: SPIFFE_ID };
      return { ...chain, name: `under an issuer ${name}`, expected: 'NotAnAuthority' as const, takenBy };
    }),
  );
}
