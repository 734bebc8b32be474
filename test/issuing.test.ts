/** Who gets a leaf and who does not: from a request and a token to a certificate, or to a refusal that says why and is written down. */
import { createHash, createPublicKey, generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { tokenVerifier } from '../src/adapters/token-verifier.ts';
import { makeKey } from '../src/agent/signing-request.ts';
import type { LeafRequest } from '../src/issuing.ts';
import { leafsIssued, refusalsOf } from '../src/issuing-log.ts';
import { type LocalIssuer, startIssuer } from './adapters/local-issuer.ts';
import { type IssuingMesh, issuingMesh, MESH } from './trust/issuing-mesh.ts';

const START = Date.parse('2026-11-22T12:00:00Z');
const MINUTE = 60_000;
const DAY = 86_400_000;
const AUDIENCE = 'meshwright/shop';
const TENANT = '7b0ad1a6-7e5c-4b0e-9e5f-0d1c2b3a4f55';
const PRINCIPAL = 'd3c1f0a2-4b5e-4c6d-8e7f-9a0b1c2d3e4f';
const web = { namespace: 'shop', serviceAccount: 'web' };
const spiffe = (path: string, domain = 'shop.example') => `spiffe://${domain}/${path}`;
const digest = (text: string) => createHash('sha256').update(text).digest('hex');

const running: LocalIssuer[] = [];
afterEach(async () => {
  for (const issuer of running.splice(0)) await issuer.stop();
});

/** One with a cluster whose tokens count, and a clock. */
async function shop() {
  const clock = { now: START };
  const now = () => clock.now;
  const issuer = await startIssuer(now);
  const entra = await startIssuer(now, `/${TENANT}/v2.0`);
  running.push(issuer, entra);
  const identity = { principal: PRINCIPAL, namespace: 'edge', serviceAccount: 'gateway' };
  const mesh = await issuingMesh({
    now,
    attest: [
      { kind: 'kubernetes', issuer: issuer.url, audience: AUDIENCE, namespaces: ['shop'] },
      { kind: 'entra', tenant: TENANT, audience: 'api://meshwright', identities: [identity, { ...identity, serviceAccount: 'other' }] },
      { kind: 'join' },
    ],
    tokens: tokenVerifier({ now, loopbackHttp: true, entraAuthority: entra.url.slice(0, entra.url.indexOf(`/${TENANT}`)) }),
  });
  return { ...mesh, clock, issuer, entra };
}
type Shop = Awaited<ReturnType<typeof shop>>;

const accountToken = ({ issuer }: Shop, rest: Record<string, unknown> = {}) =>
  issuer.token({ sub: 'system:serviceaccount:shop:web', aud: AUDIENCE, ...rest });
const principalToken = ({ entra }: Shop, uti = 'first') =>
  entra.token({ sub: PRINCIPAL, oid: PRINCIPAL, tid: TENANT, aud: 'api://meshwright', uti });

const lately = ({ clock }: Pick<Shop, 'clock'>) => ({ now: clock.now, days: 7 });

async function joinToken({ issuing }: Pick<IssuingMesh, 'issuing'>, lifeMs = 60 * MINUTE, identity = web): Promise<string> {
  const made = await issuing.makeJoinToken(MESH, { identity, lifeMs, actor: 'an operator' });
  if (made.kind !== 'made') throw new Error(made.message);
  return made.token;
}

async function request(token: LeafRequest['token'], uri?: string): Promise<LeafRequest> {
  return { csr: (await makeKey()).request(uri), node: 'web-1', token };
}

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
    const times = async (days: number, limit?: number) => {
      const query = { now: clock.now, days, ...(limit === undefined ? {} : { limit }) };
      const [leafs, refusals] = [await leafsIssued(documents, MESH, query), await refusalsOf(documents, MESH, query)];
      expect(refusals.map(({ at }) => at)).toEqual(leafs.map(({ at }) => at));
      return leafs.map(({ at }) => at);
    };
    expect(await times(1)).toEqual([fourth]);
    expect(await times(2)).toEqual([third, fourth]);
    expect(await times(3)).toEqual([first, second, third, fourth]);
    expect(await times(3, 3)).toEqual([first, second, third]);
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

describe('a token of an issuer', () => {
  const come = async (mesh: Shop, value: string, node: string, kind: 'kubernetes' | 'entra' = 'kubernetes', uri?: string) =>
    mesh.issuing.issue(MESH, { ...(await request({ kind, value }, uri)), node });
  const podToken = (mesh: Shop, uid: string) => accountToken(mesh, { 'kubernetes.io': { pod: { name: 'web', uid } } });
  const gateway = spiffe('ns/edge/sa/gateway');

  it('is used by its node again and again, and by no other: not even by many who come at once', async () => {
    const mesh = await shop();
    const token = await accountToken(mesh);
    const nodes = ['web-1', 'web-2', 'web-3'];
    const answers = await Promise.all(nodes.map((node) => come(mesh, token, node)));
    const [first, ...others] = answers.flatMap(({ kind }, index) => (kind === 'issued' ? [nodes[index] ?? ''] : []));
    if (first === undefined) throw new Error('nobody came in');
    expect(others).toEqual([]);
    expect(await come(mesh, token, first)).toMatchObject({ kind: 'issued' });
    expect(await come(mesh, token, 'web-4')).toMatchObject({ reason: 'NodeNotTheSame' });
    expect((await leafsIssued(mesh.documents, MESH, lately(mesh))).map(({ node }) => node)).toEqual([first, first]);
  });

  it('that was projected into a pod is that pod’s: no other token of the pod is good for another node', async () => {
    const mesh = await shop();
    expect(await come(mesh, await podToken(mesh, '1'), 'web-1')).toMatchObject({ kind: 'issued' });
    mesh.clock.now += 8 * MINUTE;
    expect(await come(mesh, await podToken(mesh, '1'), 'web-1')).toMatchObject({ kind: 'issued' });
    mesh.clock.now += 8 * MINUTE;
    expect(await come(mesh, await podToken(mesh, '1'), 'web-2')).toMatchObject({ reason: 'NodeNotTheSame' });
    expect(await come(mesh, await podToken(mesh, '2'), 'web-2')).toMatchObject({ kind: 'issued' });
    // The last of the first node's has ended: 10 minutes, and 5 that clocks may be apart.
    mesh.clock.now += 7 * MINUTE;
    expect(await come(mesh, await podToken(mesh, '1'), 'web-3')).toMatchObject({ kind: 'issued' });
  });

  it('of a principal with several identities has a node for each', async () => {
    const mesh = await shop();
    const token = await principalToken(mesh);
    expect(await come(mesh, token, 'gateway-1', 'entra', gateway)).toMatchObject({ kind: 'issued' });
    expect(await come(mesh, token, 'other-1', 'entra', spiffe('ns/edge/sa/other'))).toMatchObject({ kind: 'issued' });
    expect(await come(mesh, token, 'gateway-2', 'entra', gateway)).toMatchObject({ reason: 'NodeNotTheSame' });
    expect(await come(mesh, await principalToken(mesh, 'second'), 'gateway-2', 'entra', gateway)).toMatchObject({ kind: 'issued' });
  });

  it('is no node’s by a request that is refused, and is in the store as a digest', async () => {
    const mesh = await shop();
    const token = await podToken(mesh, '1');
    expect(await come(mesh, token, 'web-2', 'kubernetes', spiffe('ns/shop/sa/payment'))).toMatchObject({ reason: 'ForeignIdentity' });
    expect(await come(mesh, token, 'web-1')).toMatchObject({ kind: 'issued' });
    const stored = await mesh.documents.list({ partition: `tokens/${MESH}`, kind: 'shown-token' });
    expect(stored.map(({ document }) => [document.body, document.expiresAt])).toEqual([
      [{ node: 'web-1', endsAt: START + 15 * MINUTE }, START + 15 * MINUTE],
    ]);
    expect(JSON.stringify(stored)).not.toContain(token.slice(0, 40));
  });
});

describe('a join token', () => {
  const join = async (mesh: Shop, value: string, secret: string, node = 'web-1') =>
    mesh.issuing.issue(MESH, { ...(await request({ kind: 'join', value, renewal: digest(secret) })), node });
  const renew = async (mesh: Shop, secret: string, node = 'web-1') =>
    mesh.issuing.issue(MESH, { ...(await request({ kind: 'renewal', value: secret })), node });

  it('works once; who joined comes again with the secret of which it told the digest', async () => {
    const mesh = await shop();
    const token = await joinToken(mesh);
    expect(await join(mesh, token, 'secret')).toMatchObject({ kind: 'issued' });
    expect(await join(mesh, token, 'another')).toMatchObject({ reason: 'JoinTokenUsed' });
    expect(await renew(mesh, 'secret')).toMatchObject({ kind: 'issued' });
    expect(await renew(mesh, 'another')).toMatchObject({ reason: 'TokenUnknown' });
    expect(await renew(mesh, 'secret', 'web-2')).toMatchObject({ reason: 'NodeNotTheSame' });
    expect((await leafsIssued(mesh.documents, MESH, lately(mesh))).map(({ identity }) => identity)).toEqual([
      spiffe('ns/shop/sa/web'),
      spiffe('ns/shop/sa/web'),
    ]);
  });

  it('lets one in of many who show it at once', async () => {
    const mesh = await shop();
    const token = await joinToken(mesh);
    const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => join(mesh, token, `secret-${index}`, `web-${index}`)));
    expect(answers.filter(({ kind }) => kind === 'issued')).toHaveLength(1);
  });

  it('is not used up by a request that is refused', async () => {
    const mesh = await shop();
    const token = await joinToken(mesh);
    const foreign = await request({ kind: 'join', value: token, renewal: digest('secret') }, spiffe('ns/shop/sa/payment'));
    expect(await mesh.issuing.issue(MESH, foreign)).toMatchObject({ reason: 'ForeignIdentity' });
    expect(await join(mesh, token, 'secret')).toMatchObject({ kind: 'issued' });
  });

  it('keeps a place for 30 days from when its workload came last, whatever root is in force', async () => {
    const mesh = await shop();
    await join(mesh, await joinToken(mesh), 'secret');
    mesh.clock.now += 5 * DAY;
    expect(await renew(mesh, 'secret')).toMatchObject({ kind: 'issued' });
    for (let week = 1; week <= 4; week += 1) {
      mesh.clock.now += 7 * DAY - 2 * MINUTE;
      await mesh.renewIssuer(`issuer-${week}`);
    }
    expect(await renew(mesh, 'secret')).toMatchObject({ kind: 'issued' });
    for (let week = 5; week <= 9; week += 1) {
      mesh.clock.now += 7 * DAY - 2 * MINUTE;
      await mesh.renewIssuer(`issuer-${week}`);
    }
    expect(await renew(mesh, 'secret')).toMatchObject({ reason: 'TokenExpired' });
    expect(await join(mesh, await joinToken(mesh), 'secret')).toMatchObject({ kind: 'issued' });
    expect(await renew(mesh, 'secret')).toMatchObject({ kind: 'issued' });
  });

  it('cannot take a secret that is somebody else’s', async () => {
    const mesh = await shop();
    await join(mesh, await joinToken(mesh), 'secret');
    const other = await joinToken(mesh, 60 * MINUTE, { ...web, serviceAccount: 'cart' });
    expect(await join(mesh, other, 'secret')).toMatchObject({ reason: 'TokenMalformed' });
    expect(await join(mesh, other, 'secret of its own')).toMatchObject({ kind: 'issued' });
  });

  it('lets a workload in again whose node has another name now, with the secret that it has', async () => {
    const mesh = await shop();
    await join(mesh, await joinToken(mesh), 'secret');
    expect(await renew(mesh, 'secret', 'renamed')).toMatchObject({ reason: 'NodeNotTheSame' });
    const token = await joinToken(mesh);
    expect(await join(mesh, token, 'secret', 'renamed')).toMatchObject({ kind: 'issued' });
    expect(await renew(mesh, 'secret', 'renamed')).toMatchObject({ kind: 'issued' });
    expect(await renew(mesh, 'secret')).toMatchObject({ reason: 'NodeNotTheSame' });
    expect(await join(mesh, token, 'secret')).toMatchObject({ reason: 'JoinTokenUsed' });
  });

  it('of two that come at once with one secret uses up both, and one of the nodes comes again', async () => {
    const mesh = await shop();
    const tokens = [await joinToken(mesh), await joinToken(mesh)];
    const answers = await Promise.all(tokens.map((token, index) => join(mesh, token, 'secret', `web-${index}`)));
    expect(answers.map(({ kind }) => kind)).toEqual(['issued', 'issued']);
    const again = await Promise.all([0, 1].map((index) => renew(mesh, 'secret', `web-${index}`)));
    expect(again.filter(({ kind }) => kind === 'issued')).toHaveLength(1);
  });

  it('is in the store as its digest alone', async () => {
    const mesh = await shop();
    const token = await joinToken(mesh);
    await join(mesh, token, 'the secret of web-1');
    const stored = JSON.stringify([
      ...(await mesh.documents.list({ partition: `tokens/${MESH}`, kind: 'join' })),
      ...(await mesh.documents.list({ partition: `tokens/${MESH}`, kind: 'renewal' })),
    ]);
    expect(stored).toContain(digest(token));
    expect(stored).not.toContain(token.slice(4));
    expect(stored).not.toContain('the secret');
  });
});
