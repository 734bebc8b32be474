/** Who counts in an Istio mesh and what is believed of them: what a proxy's Envoy has loaded, what an istiod gives out, and what keeps them back. */
import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { MemoryVault } from '../../../src/adapters/memory-vault.ts';
import { membersOf } from '../../../src/dataplanes/istio/trust-members.ts';
import { type AskOutcome, type Cluster, ClusterUnavailable, type ResourceKind } from '../../../src/dataplanes/kubernetes/cluster.ts';
import { CONFIG_MAPS, PODS, SECRETS } from '../../../src/dataplanes/kubernetes/kinds.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';
import { makeAuthority } from '../../../src/trust/authorities.ts';
import type { Authority } from '../../../src/trust/certificates.ts';
import { type Leaf, leafCertificate, leafSigner } from '../../../src/trust/x509/profiles.ts';
import { certificatesSpec, HOUR, T0 } from '../../trust/samples.ts';
import { MemoryCluster } from '../kubernetes/memory-cluster.ts';

const vault = new MemoryVault();
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('a member of an Istio mesh', () => {
  let roots: Readonly<Record<'a' | 'b', Authority>>;
  let leaf: Leaf;

  beforeAll(async () => {
    const asked = { spec: certificatesSpec(), trustDomain: 'shop.example', now: T0 };
    roots = { a: await makeAuthority(vault, { ...asked, wish: 'a' }), b: await makeAuthority(vault, { ...asked, wish: 'b' }) };
    const spki = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' });
    const spiffeId = 'spiffe://shop.example/ns/shop/sa/web';
    const profile = { spiffeId, publicKey: new Uint8Array(spki), notBefore: T0, notAfter: T0 + HOUR };
    leaf = await leafCertificate(vault, leafSigner(roots.a), profile, new Uint8Array(16).fill(7));
  });
  const pem = (which: string): string => [...which].map((each) => roots[each === 'a' ? 'a' : 'b'].certificate).join('');
  const dump = (chain: string | undefined, trusted: string): string =>
    JSON.stringify({
      configs: [
        ...(chain === undefined
          ? []
          : [{ name: 'default', secret: { tls_certificate: { certificate_chain: { inline_bytes: base64(chain) } } } }]),
        { name: 'ROOTCA', secret: { validation_context: { trusted_ca: { inline_bytes: base64(trusted) } } } },
      ],
    });

  interface Mesh {
    /** Of the Secret, and of what istiod gives out and namespaces are told unless those say otherwise. */
    readonly roots: string;
    readonly told?: string;
    readonly istiod?: { readonly ready?: boolean; readonly gives?: string };
    readonly proxy?: { readonly answer?: AskOutcome | 'nobody' | 'never'; readonly phase?: string; readonly running?: boolean };
    readonly connected?: readonly string[];
  }

  async function look({ roots: written, told = written, istiod = {}, proxy = {}, connected = [] }: Mesh) {
    const memory = new MemoryCluster();
    const put = (kind: ResourceKind, namespace: string, name: string, content: JsonObject, labels = {}) =>
      memory.apply(
        { kind, metadata: { namespace, name, labels, annotations: {} }, content },
        { over: 'absent', force: false, dryRun: false },
      );
    await put(SECRETS, 'istio-system', 'cacerts', { data: { 'root-cert.pem': base64(pem(written)) } });
    await put(CONFIG_MAPS, 'shop', 'istio-ca-root-cert', { data: { 'root-cert.pem': pem(told) } });
    const ready = istiod.ready === false ? 'False' : 'True';
    const conditions = [{ type: 'Ready', status: ready }];
    await put(PODS, 'istio-system', 'istiod-0', { status: { phase: 'Running', conditions } }, { app: 'istiod' });
    const state = proxy.running === false ? { terminated: {} } : { running: {} };
    const status = { phase: proxy.phase ?? 'Running', containerStatuses: [{ name: 'istio-proxy', state }] };
    await put(PODS, 'shop', 'web-1', { status });
    const clients = connected.map((name) => ({ connectionId: `${name}-7` }));
    const loaded: AskOutcome = { kind: 'answered', status: 200, body: dump(leaf.chain, pem(written)) };
    const cluster: Cluster = {
      apply: memory.apply.bind(memory),
      get: memory.get.bind(memory),
      list: memory.list.bind(memory),
      remove: memory.remove.bind(memory),
      delete: memory.delete.bind(memory),
      may: memory.may.bind(memory),
      door: ({ port }) => ({
        async get() {
          if (port === 15_014) return { kind: 'answered', status: 200, body: JSON.stringify({ clients }) };
          if (proxy.answer === 'nobody') throw new ClusterUnavailable('shop/web-1, port 15000 could not be asked: no answer.');
          if (proxy.answer === 'never') return new Promise<AskOutcome>(() => {});
          return proxy.answer ?? loaded;
        },
        close() {},
      }),
    };
    const chain = [leaf.certificate, roots.a.issuer.certificate];
    const signing = { sample: async () => ({ kind: 'signed', chain, roots: pem(istiod.gives ?? written) }) as const };
    const of = {
      cluster,
      signing,
      dataPlane: 'west',
      controlPlaneNamespace: 'istio-system',
      leafLifeMs: HOUR,
      lookMs: proxy.answer === 'never' ? 20 : 60_000,
    };
    return Object.fromEntries((await membersOf(of, T0)).map((member) => [member.id, member]));
  }

  it('is a proxy with the leaf and the roots that its Envoy has loaded', async () => {
    const { 'west/web-1.shop': web } = await look({ roots: 'ab' });
    expect(web).toEqual({
      id: 'west/web-1.shop',
      dataPlane: 'west',
      kind: 'proxy',
      identity: 'spiffe://shop.example/ns/shop/sa/web',
      seenAt: T0,
      trusts: [roots.a.fingerprint, roots.b.fingerprint],
      presents: { issuer: roots.a.issuer.fingerprint, notAfter: leaf.notAfter },
    });
  });

  it('is an istiod with what it gives out, whatever its Secret says', async () => {
    const { 'west/istiod-0.istio-system': istiod } = await look({ roots: 'ab', istiod: { gives: 'a' } });
    expect(istiod).toMatchObject({
      kind: 'control-plane',
      trusts: [roots.a.fingerprint],
      presents: { issuer: roots.a.issuer.fingerprint },
    });
  });

  it('presents nothing where nothing is loaded yet', async () => {
    const answer: AskOutcome = { kind: 'answered', status: 200, body: dump(undefined, pem('a')) };
    const { 'west/web-1.shop': web } = await look({ roots: 'a', proxy: { answer } });
    expect(web).not.toHaveProperty('presents');
    expect(web).toMatchObject({ trusts: [roots.a.fingerprint] });
  });

  it.each<readonly [string, Partial<Mesh>, RegExp]>([
    ['its namespace is told other roots than istiod has', { told: 'a' }, /istio-ca-root-cert of shop has not the roots of cacerts yet/],
    ['it does not answer', { proxy: { answer: 'nobody' } }, /could not be asked/],
    ['it answers something else', { proxy: { answer: { kind: 'answered', status: 200, body: 'LIVE' } } }, /JSON/],
    ['it answers that it will not', { proxy: { answer: { kind: 'answered', status: 404, body: '' } } }, /answers 404/],
    ['it never answers', { proxy: { answer: 'never' } }, /no time to ask it/],
    ['nobody may ask it', { proxy: { answer: { kind: 'refused', status: 403, message: 'Not allowed.' } } }, /Not allowed/],
  ])('is in trouble where %s', async (_what, mesh, trouble) => {
    const { 'west/web-1.shop': web } = await look({ roots: 'ab', ...mesh });
    expect(web?.trouble).toMatch(trouble);
  });

  it('is a proxy on a machine too, of which nothing can be known', async () => {
    const { 'west/vm-1.shop': vm } = await look({ roots: 'a', connected: ['web-1.shop', 'vm-1.shop'] });
    expect(vm).toMatchObject({ seenAt: 0, mayPresentUntil: T0 + HOUR, trouble: expect.stringContaining('no pod') });
  });

  it('is no pod that is over, or whose proxy does not run: its key went with it', async () => {
    for (const proxy of [{ phase: 'Succeeded' }, { phase: 'Failed' }, { running: false }]) {
      expect(Object.keys(await look({ roots: 'a', proxy }))).toEqual(['west/istiod-0.istio-system']);
    }
  });

  it('cannot be told without an istiod that is ready', async () => {
    await expect(look({ roots: 'a', istiod: { ready: false } })).rejects.toThrow(/no ready pod labelled app=istiod/);
  });
});
