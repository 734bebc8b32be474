/** Who gets a leaf and who does not: from a request and a token to a certificate, or to a refusal that says why and is written down. */
import { createPublicKey, generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { makeKey } from '../src/agent/signing-request.ts';
import type { LeafRequest } from '../src/issuing.ts';
import { leafsIssued, refusalsOf } from './issued.ts';
import {
  accountToken,
  DAY,
  digest,
  joinToken,
  lately,
  MINUTE,
  principalToken,
  request,
  type Shop,
  START,
  shop,
  spiffe,
} from './issuing-shop.ts';
import { issuingMesh, MESH } from './trust/issuing-mesh.ts';

describe('a leaf', () => {
  it('is over the key that was sent, names its workload, and stands under the issuer that signs', async () => {
    const mesh = await shop();
    const key = await makeKey();
    const token = { kind: 'kubernetes', value: await accountToken(mesh) } as const;
    const given = await mesh.issuing.issue(MESH, { csr: key.request(), node: 'web-1', token });
    if (given.kind !== 'issued') throw new Error(given.message);
    const [leaf, issuer] = given.chain.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g)?.map((pem) => new X509Certificate(pem)) ?? [];
    const [root] = given.roots.map((pem) => new X509Certificate(pem));
    if (!leaf || !issuer || !root) throw new Error('the chain is short');
    expect(leaf.subjectAltName).toBe(`URI:${spiffe('ns/shop/sa/web')}`);
    expect(leaf.publicKey.equals(createPublicKey(key.pem))).toBe(true);
    expect([leaf.verify(issuer.publicKey), issuer.verify(root.publicKey)]).toEqual([true, true]);
    const { current } = await mesh.state();
    expect(given).toMatchObject({ signer: current?.issuer.fingerprint, notAfter: START + DAY, lifeMs: DAY });
  });

  it('is logged with all that an auditor asks for, and without the token', async () => {
    const mesh = await shop();
    const value = await accountToken(mesh);
    await mesh.issuing.issue(MESH, await request({ kind: 'kubernetes', value }));
    const issued = await leafsIssued(mesh.documents, MESH, lately(mesh));
    expect(issued).toEqual([
      {
        serial: expect.stringMatching(/^[0-9a-f]{32}$/),
        fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
        identity: spiffe('ns/shop/sa/web'),
        issuer: (await mesh.state()).current?.issuer.fingerprint,
        notAfter: START + DAY,
        node: 'web-1',
        attested: 'kubernetes: the service account shop/web',
        at: START,
      },
    ]);
    const [found] = await mesh.documents.list({ partition: `issued/${MESH}/2026-11-22`, kind: 'leaf' });
    expect(found?.document.expiresAt).toBe(START + DAY + 30 * DAY);
    expect(JSON.stringify(found)).not.toContain(value);
  });

  it('is logged by day, as refusals are apart from it, and the last days are read, oldest first', async () => {
    const mesh = await shop();
    const { documents, clock } = mesh;
    const issued: number[] = [];
    for (const passed of [0, 11 * 60 * MINUTE, 2 * 60 * MINUTE, DAY]) {
      clock.now += passed;
      issued.push(clock.now);
      const value = await accountToken(mesh);
      expect(await mesh.issuing.issue(MESH, await request({ kind: 'kubernetes', value }))).toMatchObject({ kind: 'issued' });
      await mesh.issuing.issue(MESH, await request({ kind: 'renewal', value: 'guess' }));
    }
    const [first = 0, second = 0, third = 0, fourth = 0] = issued;
    const countOf = async (partition: string, kind: string) => (await documents.list({ partition, kind })).length;
    const perDay = (log: string, kind: string) =>
      Promise.all(['22', '23', '24'].map((day) => countOf(`${log}/${MESH}/2026-11-${day}`, kind)));
    expect([await perDay('issued', 'leaf'), await perDay('issued', 'refusal')]).toEqual([
      [2, 1, 1],
      [0, 0, 0],
    ]);
    expect(await perDay('refused', 'refusal')).toEqual([2, 1, 1]);
    const times = async (days: number) => {
      const query = { now: clock.now, days };
      const [leafs, refusals] = [await leafsIssued(documents, MESH, query), await refusalsOf(documents, MESH, query)];
      expect(refusals.map(({ at }) => at)).toEqual(leafs.map(({ at }) => at));
      return leafs.map(({ at }) => at);
    };
    expect(await times(1)).toEqual([fourth]);
    expect(await times(2)).toEqual([third, fourth]);
    expect(await times(3)).toEqual([first, second, third, fourth]);
  });

  it('is for one of the identities that Entra ID lets a principal ask for', async () => {
    const mesh = await shop();
    const token = { kind: 'entra', value: await principalToken(mesh) } as const;
    expect(await mesh.issuing.issue(MESH, await request(token, spiffe('ns/edge/sa/gateway')))).toMatchObject({ kind: 'issued' });
    expect(await mesh.issuing.issue(MESH, await request(token))).toMatchObject({
      reason: 'IdentityNotAllowed',
      message: expect.stringContaining('name one'),
    });
  });

  it('goes nowhere when another issuer comes while the vault signs: it is signed once more, by who signs now', async () => {
    const clock = { now: START };
    let meanwhile = async (): Promise<void> => undefined;
    const mesh = await issuingMesh({
      now: () => clock.now,
      attest: [{ kind: 'join' }],
      signing: (vault) => async () => ({
        async sign(keyId, algorithm, message) {
          const signature = await vault.sign(keyId, algorithm, message);
          const once = meanwhile;
          meanwhile = async () => undefined;
          await once();
          return signature;
        },
      }),
    });
    const before = (await mesh.state()).current?.issuer.fingerprint;
    clock.now += 4 * DAY;
    meanwhile = () => mesh.renewIssuer('second');
    const given = await mesh.issuing.issue(MESH, await request({ kind: 'join', value: await joinToken(mesh), renewal: digest('secret') }));
    const after = (await mesh.state()).current?.issuer.fingerprint;
    expect(after).not.toBe(before);
    expect(given).toMatchObject({ kind: 'issued', signer: after });
    // The first was signed, and so it is logged; nobody has it.
    expect(new Set((await leafsIssued(mesh.documents, MESH, lately({ clock }))).map(({ issuer }) => issuer))).toEqual(
      new Set([before, after]),
    );
  });
});

describe('a request for a leaf is refused, and that is written down', () => {
  const weak = (): string => {
    // OpenSSL's smallest.
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1_024 });
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const der = (tag: number, ...parts: Buffer[]): Buffer => {
      const content = Buffer.concat(parts);
      const length = content.length < 128 ? [content.length] : [0x82, content.length >> 8, content.length & 255];
      return Buffer.concat([Buffer.from([tag, ...length]), content]);
    };
    const info = der(0x30, Buffer.from('0201003000', 'hex'), spki, Buffer.from('a000', 'hex'));
    const algorithm = Buffer.from('300d06092a864886f70d01010b0500', 'hex');
    const whole = der(0x30, info, algorithm, der(0x03, Buffer.from([0]), sign('sha256', info, privateKey)));
    return `-----BEGIN CERTIFICATE REQUEST-----\n${whole.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  };

  it.each<[string, string, (mesh: Shop) => Promise<LeafRequest>]>([
    [
      'for a foreign identity',
      'ForeignIdentity',
      async (mesh) => request({ kind: 'kubernetes', value: await accountToken(mesh) }, spiffe('ns/shop/sa/payment')),
    ],
    [
      'for another trust domain',
      'WrongTrustDomain',
      async (mesh) => request({ kind: 'kubernetes', value: await accountToken(mesh) }, spiffe('ns/shop/sa/web', 'bank.example')),
    ],
    [
      'with a weak key',
      'WeakKey',
      async (mesh) => ({ csr: weak(), node: 'web-1', token: { kind: 'kubernetes', value: await accountToken(mesh) } }),
    ],
    [
      'that is none',
      'NotASigningRequest',
      async (mesh) => ({ csr: 'please', node: 'web-1', token: { kind: 'kubernetes', value: await accountToken(mesh) } }),
    ],
    [
      'from a namespace that the spec does not name',
      'IdentityNotAllowed',
      async (mesh) => request({ kind: 'kubernetes', value: await accountToken(mesh, { sub: 'system:serviceaccount:kube-system:web' }) }),
    ],
    [
      'by a principal, for who it may not be',
      'IdentityNotAllowed',
      async (mesh) => request({ kind: 'entra', value: await principalToken(mesh) }, spiffe('ns/shop/sa/web')),
    ],
    [
      'with a token of another audience',
      'TokenForAnotherAudience',
      async (mesh) => request({ kind: 'kubernetes', value: await accountToken(mesh, { aud: 'vault' }) }),
    ],
    [
      'with a token that has ended',
      'TokenExpired',
      async (mesh) => request({ kind: 'kubernetes', value: await accountToken(mesh, { exp: (START - 6 * MINUTE) / 1_000 }) }),
    ],
    [
      'with a token of one kind as another',
      'TokenIssuerUnknown',
      async (mesh) => request({ kind: 'entra', value: await accountToken(mesh) }),
    ],
    [
      'with a join token that nobody made',
      'TokenUnknown',
      async () => request({ kind: 'join', value: `mwj_${'A'.repeat(43)}`, renewal: digest('secret') }),
    ],
    ['with a join token as a renewal token', 'TokenUnknown', async (mesh) => request({ kind: 'renewal', value: await joinToken(mesh) })],
    [
      'with a join token that has ended',
      'TokenExpired',
      async (mesh) => {
        const value = await joinToken(mesh, 5 * MINUTE);
        mesh.clock.now += 5 * MINUTE;
        return request({ kind: 'join', value, renewal: digest('secret') });
      },
    ],
  ])('%s: %s', async (_what, reason, make) => {
    const mesh = await shop();
    const asked = await make(mesh);
    expect(await mesh.issuing.issue(MESH, asked)).toMatchObject({ kind: 'refused', reason, message: expect.stringMatching(/[.]$/) });
    expect(await leafsIssued(mesh.documents, MESH, lately(mesh))).toEqual([]);
    const written = await refusalsOf(mesh.documents, MESH, lately(mesh));
    expect(written).toMatchObject([{ reason, node: 'web-1', token: asked.token.kind, at: mesh.clock.now, unrecorded: 0 }]);
    expect(JSON.stringify(written)).not.toContain(asked.token.value);
  });

  it('but not without bound: a stranger who asks without pause fills no store, and what is left out is counted', async () => {
    const mesh = await shop();
    const asked = await request({ kind: 'renewal', value: 'guess' });
    for (let time = 0; time < 40; time += 1) await mesh.issuing.issue(MESH, asked);
    expect(await refusalsOf(mesh.documents, MESH, lately(mesh))).toHaveLength(30);
    mesh.clock.now += MINUTE;
    await mesh.issuing.issue(MESH, asked);
    expect((await refusalsOf(mesh.documents, MESH, lately(mesh))).at(-1)).toMatchObject({ unrecorded: 10 });
  });

  it('and of a mesh that is not there nothing is', async () => {
    const mesh = await shop();
    expect(await mesh.issuing.issue('elsewhere', await request({ kind: 'renewal', value: 'guess' }))).toMatchObject({
      reason: 'NoCertificates',
    });
    expect(await refusalsOf(mesh.documents, 'elsewhere', lately(mesh))).toEqual([]);
  });
});
