/** The CA of an Istio mesh through its Secret: what is written, in which steps, and what is refused because istiod would drop it without a word. */
import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { MemoryVault } from '../../../src/adapters/memory-vault.ts';
import { readCaCerts } from '../../../src/dataplanes/istio/cacerts.ts';
import type { SigningService } from '../../../src/dataplanes/istio/signing-service.ts';
import { istioTrust } from '../../../src/dataplanes/istio/trust.ts';
import type { ApplyOutcome, Cluster } from '../../../src/dataplanes/kubernetes/cluster.ts';
import { PODS, SECRETS } from '../../../src/dataplanes/kubernetes/kinds.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';
import { delegateIssuer, makeAuthority } from '../../../src/trust/authorities.ts';
import type { Authority } from '../../../src/trust/certificates.ts';
import type { DelegatedIssuer, TrustMaterial } from '../../../src/trust/data-plane-trust.ts';
import { certificatesSpec, T0 } from '../../trust/samples.ts';
import { MemoryCluster } from '../kubernetes/memory-cluster.ts';

const NAMESPACE = 'istio-system';
const vault = new MemoryVault();
const asked = { spec: certificatesSpec(), trustDomain: 'shop.example', now: T0 };

/** Three roots, each with an issuer that was handed out. */
interface Ca {
  readonly authority: Authority;
  readonly issuer: DelegatedIssuer;
}
async function ca(wish: string): Promise<Ca> {
  const authority = await makeAuthority(vault, { ...asked, wish });
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
  const issued = await delegateIssuer(vault, authority, { ...asked, publicKey: spki });
  return { authority, issuer: { ...issued, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() } };
}

describe('the Secret that istiod signs with', () => {
  let [a, b, c]: Ca[] = [];
  beforeAll(async () => {
    [a, b, c] = [await ca('a'), await ca('b'), await ca('c')];
  });
  const of = (which: 'a' | 'b' | 'c'): Ca => {
    const found = { a, b, c }[which];
    if (!found) throw new Error('It is not made yet.');
    return found;
  };
  const root = (which: 'a' | 'b' | 'c'): string => of(which).authority.certificate;

  /** `roots`: the first signs, such as `ba`. */
  const material = (roots: string, revision = 5): TrustMaterial => {
    const [first = of('a')] = letters(roots).map(of);
    const { fingerprint, certificate } = first.authority.issuer;
    const signer = { fingerprint, certificate };
    const lives = { leafLifeMs: 60_000, skewMs: 15_000 };
    return { mesh: 'shop', trustDomain: 'shop.example', revision, roots: letters(roots).map(root), signer, renewWithinMs: 1_000, lives };
  };
  const letters = (text: string) =>
    (['a', 'b', 'c'] as const).filter((each) => text.includes(each)).sort((x, y) => text.indexOf(x) - text.indexOf(y));
  const fresh = (which: 'a' | 'b' | 'c') => async () => of(which).issuer;

  /** A cluster with this Secret: `roots`, and under which of them it signs; `revision` 0: it was not written here. */
  async function given(roots = '', signs: 'a' | 'b' | 'c' = 'a', more: JsonObject = {}, revision = 1) {
    const cluster = new MemoryCluster();
    const signing = new Istiods();
    const trust = istioTrust({
      cluster,
      signing,
      dataPlane: 'west',
      controlPlaneNamespace: NAMESPACE,
      takeOver: false,
      leafLifeMs: 3_600_000,
    });
    if (roots !== '') {
      const { certificate, key } = of(signs).issuer;
      const entries = {
        'ca-cert.pem': certificate,
        'ca-key.pem': key,
        'cert-chain.pem': certificate,
        'root-cert.pem': letters(roots).map(root).join(''),
      };
      const data = Object.fromEntries(Object.entries(entries).map(([entry, text]) => [entry, Buffer.from(text).toString('base64')]));
      const annotations = revision === 0 ? {} : { 'meshwright.dev/trust-revision': String(revision) };
      await put(cluster, SECRETS, 'cacerts', { data: { ...data, ...more } }, {}, annotations);
    }
    const seen = async () => {
      const there = await readCaCerts(cluster, NAMESPACE);
      if (there === 'absent' || 'message' in there) return there;
      const which = (fingerprint: string) => letters('abc').find((each) => of(each).authority.fingerprint === fingerprint);
      const signer = letters('abc').find((each) => of(each).issuer.certificate === there.files['ca-cert.pem']);
      return {
        roots: there.rootFingerprints.map(which).join(''),
        signs: signer,
        key: there.files['ca-key.pem'] === of(signer ?? 'a').issuer.key,
      };
    };
    /** An istiod that has these roots loaded. */
    const istiod = async (has: string, { multiRoot = true, ready = true, name = 'istiod-0' } = {}) => {
      signing.has.set(name, letters(has).map(root).join(''));
      const env = multiRoot ? [{ name: 'ISTIO_MULTIROOT_MESH', value: 'true' }] : [];
      const status = {
        phase: 'Running',
        conditions: [{ type: 'Ready', status: String(ready).replace(/^./, (first) => first.toUpperCase()) }],
      };
      await put(cluster, PODS, name, { spec: { containers: [{ name: 'discovery', env }] }, status }, { app: 'istiod' });
    };
    return { cluster, trust, signing, seen, istiod };
  }

  it('is made where there is none and no istiod runs', async () => {
    const { trust, seen } = await given();
    expect(await trust.signing?.signer()).toBeUndefined();
    expect(await trust.bring(material('a'), fresh('a'))).toEqual({ kind: 'brought' });
    expect(await seen()).toEqual({ roots: 'a', signs: 'a', key: true });
    expect(await trust.signing?.signer()).toBe(of('a').issuer.fingerprint);
  });

  it('is refused, with what to do, where an istiod signs with a CA of its own', async () => {
    const { trust, istiod, seen } = await given();
    await istiod('');
    expect(await trust.bring(material('a'), fresh('a'))).toEqual({
      kind: 'refused',
      message: expect.stringMatching(/CA of its own.*stop it/),
    });
    expect(await seen()).toBe('absent');
    const own = await given('a', 'a', { 'istio-generated': '' });
    expect(await own.trust.bring(material('ab'))).toEqual({ kind: 'refused', message: expect.stringMatching(/CA of its own/) });
  });

  it.each([
    ['a root is added', 'a', 'a', 'ab', undefined, 'ab', 'a'],
    ['the other root signs', 'ab', 'a', 'ba', 'b', 'ab', 'b'],
    ['the old root is taken away', 'ab', 'b', 'b', undefined, 'b', 'b'],
    ['an issuer follows another under the same root', 'a', 'a', 'a', 'a', 'a', 'a'],
  ] as const)('is changed in one write when %s', async (_what, roots, signs, wanted, next, after, signer) => {
    const { trust, istiod, seen, cluster } = await given(roots, signs);
    await istiod(roots);
    const writes = cluster.states.length;
    expect(await trust.bring(material(wanted), next && fresh(next))).toEqual({ kind: 'brought' });
    expect(await seen()).toEqual({ roots: after, signs: signer, key: true });
    expect(cluster.states.length).toBe(writes + 1);
    expect(await trust.bring(material(wanted))).toEqual({ kind: 'brought' });
    expect(cluster.states.length).toBe(writes + 1);
  });

  it.each([
    ['a root that signs at once is trusted before it signs', 'a', 'a', 'ba', 'b', ['ab a', 'ab b']],
    ['a root that goes signs no more before it goes', 'ab', 'a', 'b', 'b', ['ab b', 'b b']],
  ] as const)('never changes both in one write: %s', async (_what, roots, signs, wanted, next, steps) => {
    const { trust, istiod, seen } = await given(roots, signs);
    await istiod(roots);
    const taken: string[] = [];
    for (const [index] of steps.entries()) {
      const signsNow = await trust.signing?.signer();
      const brought = await trust.bring(material(wanted), signsNow === of(next).issuer.fingerprint ? undefined : fresh(next));
      expect(brought.kind).toBe(index < steps.length - 1 ? 'refused' : 'brought');
      const there = await seen();
      if (typeof there === 'object' && 'roots' in there) taken.push(`${there.roots} ${there.signs}`);
    }
    expect(taken).toEqual(steps);
  });

  it.each([
    ['other roots', 'c', 'c', 'a', /other roots \(CN=root .*without a word.*start istiod and the workloads anew/],
    ['roots of which some are gone and some are new', 'ac', 'a', 'ab', /other roots/],
    ['an issuer under a root that is none of the mesh', 'ac', 'c', 'a', /an issuer under a root that is none of this mesh's/],
  ] as const)('is not written over %s', async (_what, roots, signs, wanted, message) => {
    const { trust, istiod, seen } = await given(roots, signs, {}, 0);
    await istiod(roots);
    expect(await trust.bring(material(wanted), fresh('a'))).toEqual({ kind: 'refused', message: expect.stringMatching(message) });
    expect(await seen()).toMatchObject({ roots, signs });
  });

  it('gets no other roots where an istiod would not take them, and the variable is named', async () => {
    const { trust, istiod } = await given('a');
    await istiod('a');
    await istiod('a', { multiRoot: false, name: 'istiod-1' });
    const message = expect.stringMatching(/^istiod-1 .*set ISTIO_MULTIROOT_MESH=true in the environment of its Deployment/);
    expect(await trust.bring(material('ab'))).toEqual({ kind: 'refused', message });
    expect(await trust.bring(material('a'), fresh('a'))).toEqual({ kind: 'brought' });
  });

  it('is not enough where an istiod has other roots in memory', async () => {
    const { trust, istiod } = await given('a');
    await istiod('c');
    const message = expect.stringMatching(/^istiod-0 signs under other roots.*restart it/);
    expect(await trust.bring(material('ab'))).toEqual({ kind: 'refused', message });
  });

  it('is not written where istiod reads other entries', async () => {
    const { trust } = await given('a', 'a', { 'tls.crt': '' });
    expect(await trust.bring(material('ab'))).toEqual({
      kind: 'refused',
      message: expect.stringMatching(/has tls\.crt, which istiod reads first/),
    });
  });

  it('is not brought what an older decision says', async () => {
    const { trust, seen } = await given();
    await trust.bring(material('a', 7), fresh('a'));
    expect(await trust.bring(material('ab', 6))).toEqual({ kind: 'brought' });
    expect(await seen()).toMatchObject({ roots: 'a' });
  });

  it('asks for no key before it can be written', async () => {
    const { trust, istiod } = await given('c', 'c');
    await istiod('c');
    const delegate = () => Promise.reject(new Error('It was asked for.'));
    expect(await trust.bring(material('a'), delegate)).toMatchObject({ kind: 'refused' });
  });

  it('belongs to somebody else until that is said otherwise', async () => {
    const { cluster } = await given('a');
    const owners = [{ manager: 'argocd-controller', fields: ['.data.root-cert.pem'] }];
    const outcomes: ApplyOutcome[] = [{ kind: 'conflict', owners, message: '' }, { kind: 'moved' }];
    const theirs: Cluster = {
      apply: async () => outcomes.shift() ?? { kind: 'applied' },
      get: cluster.get.bind(cluster),
      list: cluster.list.bind(cluster),
      remove: cluster.remove.bind(cluster),
      delete: cluster.delete.bind(cluster),
      may: cluster.may.bind(cluster),
      door: cluster.door.bind(cluster),
    };
    const trust = istioTrust({
      cluster: theirs,
      signing: new Istiods(),
      dataPlane: 'west',
      controlPlaneNamespace: NAMESPACE,
      takeOver: false,
      leafLifeMs: 1,
    });
    expect(await trust.bring(material('ab'))).toEqual({
      kind: 'refused',
      message: expect.stringMatching(/belongs to argocd-controller.*takeOver/),
    });
    await expect(trust.bring(material('ab'))).rejects.toThrow(/changed by somebody else/);
  });
});

/** Each hands out nothing but its roots: who signs is not asked here. */
class Istiods implements SigningService {
  readonly has = new Map<string, string>();
  sample({ pod }: { readonly pod: string }) {
    return Promise.resolve({ kind: 'signed', chain: [], roots: this.has.get(pod) ?? '' } as const);
  }
}

async function put(
  cluster: MemoryCluster,
  kind: typeof SECRETS,
  name: string,
  content: JsonObject,
  labels = {},
  annotations = {},
): Promise<void> {
  const metadata = { namespace: NAMESPACE, name, labels, annotations };
  await cluster.apply({ kind, metadata, content }, { over: 'absent', force: false, dryRun: false });
}
