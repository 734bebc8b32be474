/**
 * What a real Consul lists as trusted, and signs with, as it is brought one thing after the other: along the phases of a rotation and
 * back. No proxy is there to be waited for.
 */
import { generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { consulTrustOf } from '../../src/adapters/consul-data-plane.ts';
import { MemoryVault } from '../../src/adapters/memory-vault.ts';
import type { CertificatesSpec } from '../../src/spec/certificates-schema.ts';
import { delegateIssuer, makeAuthority } from '../../src/trust/authorities.ts';
import type { Authority } from '../../src/trust/certificates.ts';
import type { DelegatedIssuer, TrustMaterial } from '../../src/trust/data-plane-trust.ts';
import { livesOf } from '../../src/trust/timing.ts';
import { type Consul, startConsul } from './consul.ts';
import { certificatesIn, fingerprint, HOUR } from './consul-rotation-mesh.ts';
import { LOOPBACK } from './process.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('consul');

const trustDomain = 'shop.example';
const spec: CertificatesSpec = {
  name: 'shop-root',
  algorithm: 'P-384',
  rootLifeMs: 30 * 24 * HOUR,
  issuerLifeMs: 24 * HOUR,
  leafLifeMs: HOUR,
  approvals: [],
  attest: [],
};
const RULES = 'operator = "write"\nservice_prefix "" { policy = "read" }\nnode_prefix "" { policy = "read" }';
const leafSchema = z.object({ CertPEM: z.string(), PrivateKeyPEM: z.string() });
const rootsSchema = z.object({ Roots: z.array(z.object({ Active: z.boolean(), RootCert: z.string() })) });

/** A server that believes callers under these, as a proxy says at its public port; whose leaf it shows does not matter. */
function proxyThatBelieves({ CertPEM: cert, PrivateKeyPEM: key }: z.infer<typeof leafSchema>, ...roots: readonly Authority[]) {
  const options = (...ca: readonly string[]) => ({ cert, key, ca: [...ca], requestCert: true });
  const server = createServer(options(...roots.map(({ certificate }) => certificate)));
  server.on('tlsClientError', () => {});
  return {
    believe: (...ca: readonly string[]) => server.setSecureContext(options(...ca)),
    async listen(): Promise<number> {
      server.listen(0, LOOPBACK);
      await once(server, 'listening');
      const at = server.address();
      return typeof at === 'object' && at ? at.port : 0;
    },
    stop: async () => void (await once(server.close(), 'close')),
  };
}

describe.skipIf(!have)("Consul's authority", () => {
  const vault = new MemoryVault();
  let consul: Consul;
  let token: string;
  let revision = 0;
  let old: Authority;
  let next: Authority;

  beforeAll(async () => {
    consul = await startConsul('deny');
    token = await consul.user('meshwright', RULES);
    const asked = { spec, trustDomain, now: Date.now() };
    old = await makeAuthority(vault, { ...asked, wish: 'old' });
    next = await makeAuthority(vault, { ...asked, wish: 'next' });
  });
  afterAll(async () => {
    await consul?.stop();
  });

  const trustWith = (leafLifeMs = HOUR, held = token) => {
    const trust = consulTrustOf(
      { name: 'vms', kind: 'consul', address: consul.url, tokenSetting: 'T', defaultPolicy: 'deny', takeOver: false },
      () => held,
      leafLifeMs,
    );
    if (!trust) throw new Error('It has an address.');
    return trust;
  };
  const material = (roots: readonly Authority[], at?: number): TrustMaterial => {
    revision = at ?? revision + 1;
    return {
      mesh: 'shop',
      trustDomain,
      revision,
      roots: roots.map(({ certificate }) => certificate),
      signer: { fingerprint: roots[0]?.issuer.fingerprint ?? '', certificate: roots[0]?.issuer.certificate ?? '' },
      renewWithinMs: 1_000,
      lives: livesOf(spec),
    };
  };
  const issuerUnder = async (root: Authority): Promise<DelegatedIssuer> => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const publicKey = new Uint8Array(pair.publicKey.export({ type: 'spki', format: 'der' }));
    const made = await delegateIssuer(vault, root, { spec, trustDomain, now: Date.now(), publicKey });
    return { ...made, key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  };
  /** Fingerprints: everything that is listed, and under whom a leaf is that Consul signs now. */
  const seen = async () => {
    const [member] = await trustWith().look('shop', Date.now());
    return { trusts: member?.trusts ?? [], signs: member?.presents?.issuer };
  };
  const listed = async () => {
    const { Roots } = rootsSchema.parse((await consul.ask('GET', '/v1/connect/ca/roots')).body);
    return Roots.map(({ Active, RootCert }) => ({ active: Active, certificates: certificatesIn(RootCert) }));
  };
  const given = async () => leafSchema.parse((await consul.ask('GET', `/v1/agent/connect/ca/leaf/probe-${randomUUID()}`)).body);
  const signedBy = async ({ certificate }: DelegatedIssuer) =>
    new X509Certificate((await given()).CertPEM).verify(new X509Certificate(certificate).publicKey);

  it('goes along the phases: what is listed and who signs never change in one bringing', async () => {
    const first = await issuerUnder(old);
    expect(await trustWith().bring(material([old]), async () => first)).toEqual({ kind: 'brought' });
    expect(await trustWith().signing?.signer()).toBe(first.fingerprint);
    expect(await signedBy(first)).toBe(true);

    expect(await trustWith().bring(material([old, next]))).toEqual({ kind: 'brought' });
    const distributed = await seen();
    expect(distributed.signs).toBe(first.fingerprint);
    expect(distributed.trusts).toEqual(expect.arrayContaining([old.fingerprint, next.fingerprint]));
    expect(await signedBy(first)).toBe(true);

    const second = await issuerUnder(next);
    expect(await trustWith().bring(material([next, old]), async () => second)).toEqual({ kind: 'brought' });
    const issuing = await seen();
    expect(issuing.signs).toBe(second.fingerprint);
    expect(issuing.trusts).toEqual(expect.arrayContaining([...distributed.trusts]));
    expect(await signedBy(second)).toBe(true);
  });

  it('takes a root away that no key of Consul stands under, at once; one that a key stood under goes when Consul forgets that key', async () => {
    const signs = (await seen()).signs;
    expect(await trustWith().bring(material([next]))).toEqual({ kind: 'brought' });
    const all = await listed();
    const active = all.find((each) => each.active)?.certificates ?? [];
    expect(active.map(fingerprint)).toContain(next.fingerprint);
    const holding = all.filter(({ certificates }) => certificates.some((each) => fingerprint(each) === old.fingerprint));
    expect(holding.length).toBeGreaterThan(0);
    // None of them is of the key that signs.
    const signing = active[0]?.publicKey;
    expect(holding.filter(({ certificates: [first] }) => signing && first?.publicKey.equals(signing))).toEqual([]);

    const third = await makeAuthority(vault, { spec, trustDomain, now: Date.now(), wish: 'third' });
    await trustWith().bring(material([next, third]));
    expect((await seen()).trusts).toContain(third.fingerprint);
    await trustWith().bring(material([next]));
    expect((await seen()).trusts).not.toContain(third.fingerprint);
    expect((await seen()).signs).toBe(signs);
  });

  it('goes back: the old root again, and another issuer under it', async () => {
    await trustWith().bring(material([next, old]));
    const again = await issuerUnder(old);
    expect(await trustWith().bring(material([old, next]), async () => again)).toEqual({ kind: 'brought' });
    expect(await signedBy(again)).toBe(true);
    expect((await seen()).trusts).toEqual(expect.arrayContaining([old.fingerprint, next.fingerprint]));
  });

  it('is brought the same a second time, and an earlier revision, without a write', async () => {
    const index = async () =>
      z.object({ ModifyIndex: z.number() }).parse((await consul.ask('GET', '/v1/connect/ca/configuration')).body).ModifyIndex;
    await trustWith().bring(material([old, next]));
    const [before, at] = [await index(), revision];
    expect(await trustWith().bring(material([old, next], at))).toEqual({ kind: 'brought' });
    const late = () => Promise.reject(new Error('Nobody is to sign anew.'));
    expect(await trustWith().bring(material([next], at - 1), late)).toEqual({ kind: 'brought' });
    expect(await index()).toBe(before);
    revision = at;
  });

  it('ends what a run began that ended between two writes', async () => {
    const { body } = await consul.ask('GET', '/v1/connect/ca/configuration');
    const { Config } = z.object({ Config: z.record(z.string(), z.json()) }).parse(body);
    await trustWith().bring(material([old]));
    // As it was before: the entry of the other certificate is the active one, with more in it.
    await consul.ask('PUT', '/v1/connect/ca/configuration', { Provider: 'consul', Config, ForceWithoutCrossSigning: true });
    expect(await trustWith().bring(material([old]))).toEqual({ kind: 'brought' });
    const active = (await listed()).find((each) => each.active)?.certificates.map(fingerprint);
    expect(active).toContain(old.fingerprint);
    expect(active).not.toContain(next.fingerprint);
  });

  it.each([
    ['leafs for less than an hour', () => trustWith(HOUR / 2), /at least 1h/],
    ['a token without operator:write', () => trustWith(HOUR, 'none'), /Consul answered 403/],
  ])('refuses %s, and asks for no issuer', async (_what, trust, message) => {
    const nobody = () => Promise.reject(new Error('Nobody is to sign anew.'));
    expect(await trust().bring(material([old]), nobody)).toEqual({ kind: 'refused', message: expect.stringMatching(message) });
  });

  it('has one issuer wait until a proxy believes in it, however often it is brought, and gives it up where it is not wanted any more', async () => {
    await trustWith().bring(material([old, next]));
    const signs = (await seen()).signs;
    const own = proxyThatBelieves(await given(), old, next);
    const port = await own.listen();
    const proxy = { ID: 'p', Name: 'p', Address: LOOPBACK, Port: port, Kind: 'connect-proxy', Proxy: { DestinationServiceName: 'x' } };
    await consul.ask('PUT', '/v1/agent/service/register', proxy);
    const issuer = await issuerUnder(next);
    const brought = await trustWith().bring(material([next, old]), async () => issuer);
    expect(brought).toEqual({ kind: 'refused', message: expect.stringContaining('does not sign yet: conformance/p is') });
    expect((await seen()).signs).toBe(signs);
    own.believe(old.certificate, next.certificate, issuer.certificate);
    const nobody = () => Promise.reject(new Error('There is one already.'));
    expect(await trustWith().bring(material([next, old]), nobody)).toEqual({ kind: 'brought' });
    expect((await seen()).signs).toBe(issuer.fingerprint);
    const configured = async () => JSON.stringify((await consul.ask('GET', '/v1/connect/ca/configuration')).body);
    expect(await configured()).not.toContain('MeshwrightNext');

    const waiting = await issuerUnder(old);
    own.believe(old.certificate, next.certificate);
    await trustWith().bring(material([old, next]), async () => waiting);
    expect(await configured()).toContain('MeshwrightNext');
    await trustWith().bring(material([next]));
    expect(await configured()).not.toContain('MeshwrightNext');
    await consul.ask('PUT', '/v1/agent/service/deregister/p');
    await own.stop();
  });

  it('waits for a proxy that is listed and cannot be asked, by its name', async () => {
    await consul.ask('PUT', '/v1/agent/service/register', { Name: 'native', Port: 1, Connect: { Native: true } });
    const issuer = await issuerUnder(old);
    const signs = (await seen()).signs;
    const brought = await trustWith().bring(material([old]), async () => issuer);
    expect(brought).toEqual({ kind: 'refused', message: expect.stringContaining('conformance/native') });
    expect((await seen()).signs).toBe(signs);
    const members = await trustWith().look('shop', Date.now());
    const blind = await consul.user(
      'blind',
      'operator = "write"\nservice_prefix "web" { policy = "read" }\nnode_prefix "" { policy = "read" }',
    );
    await expect(trustWith(HOUR, blind).look('shop', Date.now())).rejects.toThrow('could be overlooked');
    expect(members).toContainEqual(
      expect.objectContaining({ id: 'vms/conformance/native', seenAt: 0, trusts: [], trouble: expect.stringContaining('nobody can see') }),
    );
  });
});
