/**
 * Whom a Consul mesh trusts and who signs for it, through Consul's own provider, which signs with the key that it is given. What its
 * proxies believe in is the first certificate of that key and whatever else stands in `RootCert`; docs/decisions has what was measured.
 */
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '../../journal/documents.ts';
import type { DataPlaneTrust, DelegatedIssuer, TrustMaterial } from '../../trust/data-plane-trust.ts';
import type { ConsulAuthority, Listed, SayHello } from './authority.ts';
import { type Anchor, anchorOf, anchorsOf, besides, type Entry, entriesOf, publicKeyOf, signerOf } from './bundle.ts';
import { believesIn, helloOfAll, memberOf } from './proxies.ts';
import { ConsulUnavailable, type Refused } from './server.ts';

/** Consul takes no shorter one. */
const SHORTEST_LEAF_MS = 3_600_000;
/** Consul keeps what it does not know. */
const REVISION = 'MeshwrightRevision';
/** Of the issuer that everybody is to believe in before it signs: where its key goes next, and by no other way back. */
const NEXT = { certificate: 'MeshwrightNextCertificate', key: 'MeshwrightNextKey' } as const;
const WRITES = 4;
/** Proxies are told of roots at once; so long they are given to take them. The rest of the time of an effect's claim is for the calls around it. */
const TAKING = { forMs: 4_000, everyMs: 250 };

export interface ConsulTrustOptions {
  readonly dataPlane: string;
  readonly leafLifeMs: number;
  readonly sayHello: SayHello;
  /** Another certificate of an issuer's key, signed by that key; PEM in and out. */
  readonly issuedByItself: (issuer: string, privateKey: string, trustDomain: string) => Promise<string>;
  readonly pause: (ms: number) => Promise<void>;
  /** Epoch ms. */
  readonly now: () => number;
}

type Delegate = () => Promise<DelegatedIssuer>;
type Brought = Awaited<ReturnType<DataPlaneTrust['bring']>>;

interface Live {
  readonly kind: 'live';
  readonly config: JsonObject;
  readonly active: Entry;
  readonly entries: readonly Entry[];
}

/** The issuer that Consul signs with, and its key, where Consul was given it. */
interface Signing {
  readonly issuer: Anchor;
  readonly key: string;
}

const BROUGHT = { kind: 'brought' } as const;

export function consulTrust(
  consul: ConsulAuthority,
  { dataPlane, leafLifeMs, sayHello, issuedByItself, pause, now: clock }: ConsulTrustOptions,
): DataPlaneTrust {
  const entries = async (): Promise<readonly Entry[]> => entriesOf(heldBy(await consul.roots()));

  async function live(): Promise<Live | Refused> {
    const [configured, all] = await Promise.all([consul.configuration(), entries()]);
    if (configured.kind === 'refused') return configured;
    const { provider, config } = configured;
    if (provider !== 'consul')
      return refuse(
        `Consul's certificates are signed by ${provider}; have its own provider (consul) sign them, or leave \`certificates\` out.`,
      );
    return { kind: 'live', config, active: activeOf(all), entries: all };
  }

  const settings = ({ revision }: TrustMaterial) => ({ LeafCertTTL: `${Math.floor(leafLifeMs / 1_000)}s`, [REVISION]: String(revision) });

  async function write(material: TrustMaterial, { key, certificates, crossSigned = false, next }: Writing): Promise<Refused | undefined> {
    const now = await live();
    if (now.kind === 'refused') return now;
    const waiting = next ? { [NEXT.certificate]: next.certificate, [NEXT.key]: next.key } : {};
    const config = { ...withoutNext(now.config), ...settings(material), PrivateKey: key, RootCert: certificates.join(''), ...waiting };
    const written = await consul.configure(config, { crossSigned });
    return written.kind === 'refused' ? written : undefined;
  }

  /** Where there was nothing else to write: a lower revision that comes late finds this one. */
  async function noted(material: TrustMaterial): Promise<Brought> {
    const now = await live();
    if (now.kind === 'refused') return now;
    const wanted = { ...withoutNext(now.config), ...settings(material) };
    if (isDeepStrictEqual(wanted, now.config)) return BROUGHT;
    const written = await consul.configure(wanted, { crossSigned: false });
    return written.kind === 'refused' ? written : BROUGHT;
  }

  /** PEM of the other certificate of its key; made where there is none. */
  async function secondOf(own: readonly Entry[], { issuer, key }: Signing, trustDomain: string): Promise<string> {
    const made = own.find(({ first }) => first.signsItself);
    return made?.first.pem ?? issuedByItself(issuer.pem, key, trustDomain);
  }

  /**
   * Whom proxies believe in, without another signer: the list takes another content only under another first certificate, so that the key's
   * two take turns. `next`: an issuer is to be believed in too, and what else is does not matter yet.
   */
  async function believe(
    material: TrustMaterial,
    { issuer, key }: Signing,
    wanted: readonly Anchor[],
    next?: DelegatedIssuer,
  ): Promise<Refused | undefined> {
    for (let writes = 0; writes < WRITES; writes += 1) {
      const all = await entries();
      const active = activeOf(all);
      if (active.first.key !== issuer.key) throw new ConsulUnavailable('Somebody else has just given Consul another key to sign with.');
      const own = all.filter(({ first }) => first.key === issuer.key);
      const isDone = isWithin(wanted, besides(active)) && (next !== undefined || own.every((each) => isWithin(besides(each), wanted)));
      if (isDone) return undefined;
      const again =
        active.first.fingerprint === issuer.fingerprint ? await secondOf(own, { issuer, key }, material.trustDomain) : undefined;
      const certificates = [...(again === undefined ? [] : [again]), issuer.pem, ...wanted.map(({ pem }) => pem)];
      const refused = await write(material, { key, certificates, ...(next ? { next } : {}) });
      if (refused) return refused;
    }
    throw new ConsulUnavailable('Consul does not come to list what it was given.');
  }

  /** Ids of proxies that are not known to believe in all of these. */
  async function withoutFaithIn(anchors: readonly Anchor[]): Promise<readonly string[]> {
    const heard = await helloOfAll(heldBy(await consul.proxies()), sayHello, clock);
    const behind = heard.filter((each) => 'trouble' in each || !anchors.every((anchor) => believesIn(each.hello, anchor)));
    return behind.map(({ proxy }) => proxy.id);
  }

  /** Ids of those that have not come to believe in it within the time that is given to them. */
  async function withoutFaithYet(issuer: Anchor): Promise<readonly string[]> {
    for (const until = clock() + TAKING.forMs; ; ) {
      const behind = await withoutFaithIn([issuer]);
      if (behind.length === 0 || clock() >= until) return behind;
      await pause(TAKING.everyMs);
    }
  }

  /** First everybody believes in the next issuer, then it signs. */
  async function handOver(material: TrustMaterial, delegate: Delegate, { active, config }: Live, signing: Signing): Promise<Brought> {
    const roots = material.roots.map(anchorOf);
    const without = await withoutFaithIn(roots.filter((root) => isWithin([root], besides(active))));
    if (without.length > 0) return refuse(`The issuer stays as it is: ${told(without)} not known to trust the roots there are.`);
    const delegated = waitingIn(config, roots[0], clock()) ?? (await delegate());
    const next = anchorOf(delegated.certificate);
    const kept = besides(active).filter(({ signsItself }) => signsItself);
    const refused = await believe(material, signing, [...union(roots, kept), next], delegated);
    if (refused) return refused;
    const behind = await withoutFaithYet(next);
    if (behind.length > 0) return refuse(`The next issuer does not sign yet: ${told(behind)} not known to believe in it.`);
    return signWith(material, delegated, false);
  }

  /** `crossSigned`: Consul vouches for it by the key that signed before, whose certificate every proxy has. */
  async function signWith(material: TrustMaterial, { certificate, key }: DelegatedIssuer, crossSigned: boolean): Promise<Brought> {
    return (
      (await write(material, { key, certificates: [certificate, ...material.roots], crossSigned })) ??
      (await asWritten(anchorOf(certificate)))
    );
  }

  async function asWritten(issuer: Anchor): Promise<Brought> {
    if (activeOf(await entries()).first.key !== issuer.key) throw new ConsulUnavailable('Consul signs with another key than it was given.');
    return BROUGHT;
  }

  return {
    signing: { signer: async () => signerOf(activeOf(await entries())).fingerprint },

    async bring(material, delegate) {
      if (leafLifeMs < SHORTEST_LEAF_MS)
        return refuse('Consul signs no leaf for less than an hour; give `leafLife` in `certificates` at least 1h.');
      const now = await live();
      if (now.kind === 'refused') return now;
      // Whoever brings the newer one sees to it.
      if (Number(now.config[REVISION] ?? 0) > material.revision) return BROUGHT;
      const signing = signingOf(now);
      if (delegate) return signing ? handOver(material, delegate, now, signing) : signWith(material, await delegate(), true);
      if (!signing) return refuse('Consul signs with a key that this mesh did not give it, and so cannot be told whom to believe in.');
      return (await believe(material, signing, material.roots.map(anchorOf))) ?? (await noted(material));
    },

    async look(_mesh, now) {
      const [all, proxies] = await Promise.all([entries(), consul.proxies()]);
      const anchors = anchorsOf(all);
      const { fingerprint: issuer, notAfter } = signerOf(activeOf(all));
      const trusts = anchors.map(({ fingerprint }) => fingerprint);
      const heard = await helloOfAll(heldBy(proxies), sayHello, clock);
      return [
        { id: `${dataPlane}/consul`, dataPlane, kind: 'control-plane', seenAt: now, trusts, presents: { issuer, notAfter } },
        ...heard.map((each) => memberOf(each, dataPlane, anchors, now)),
      ];
    },
  };
}

interface Writing {
  readonly key: string;
  /** PEM. */
  readonly certificates: readonly string[];
  readonly crossSigned?: boolean;
  readonly next?: DelegatedIssuer;
}

const refuse = (message: string): Refused => ({ kind: 'refused', message });

function heldBy<What>(listed: Listed<What>): readonly What[] {
  if (listed.kind === 'refused') throw new Error(listed.message);
  return listed.of;
}

function activeOf(entries: readonly Entry[]): Entry {
  const active = entries.find((each) => each.active);
  if (!active) throw new ConsulUnavailable('Consul has no certificate authority yet.');
  return active;
}

/** `undefined`: the key is Consul's own, or of an authority that nobody else signed. */
function signingOf({ config, active }: Live): Signing | undefined {
  const { PrivateKey: key } = config;
  const issuer = signerOf(active);
  if (typeof key !== 'string' || publicKeyOf(key) !== issuer.key || issuer.signsItself) return undefined;
  return { issuer, key };
}

function withoutNext({ [NEXT.certificate]: _certificate, [NEXT.key]: _key, ...config }: JsonObject): JsonObject {
  return config;
}

/** The issuer that an earlier run had made and that does not sign yet: under the root that is to sign, with more than half of its life left. */
function waitingIn(config: JsonObject, root: Anchor | undefined, now: number): DelegatedIssuer | undefined {
  const { [NEXT.certificate]: certificate, [NEXT.key]: key } = config;
  if (typeof certificate !== 'string' || typeof key !== 'string') return undefined;
  const anchor = anchorOf(certificate);
  const { validFromDate } = anchor.certificate;
  const isFresh = now < (validFromDate.getTime() + anchor.notAfter) / 2;
  if (!isFresh || publicKeyOf(key) !== anchor.key || !root || !anchor.certificate.verify(root.certificate.publicKey)) return undefined;
  return { fingerprint: anchor.fingerprint, certificate, key };
}

const isWithin = (some: readonly Anchor[], all: readonly Anchor[]): boolean =>
  some.every(({ fingerprint }) => all.some((each) => each.fingerprint === fingerprint));

const union = (some: readonly Anchor[], others: readonly Anchor[]): readonly Anchor[] => [
  ...some,
  ...others.filter((each) => !isWithin([each], some)),
];

const NAMED = 5;
const told = (ids: readonly string[]): string =>
  `${[...ids.slice(0, NAMED), ...(ids.length > NAMED ? [`${ids.length - NAMED} more`] : [])].join(', ')} ${ids.length === 1 ? 'is' : 'are'}`;
