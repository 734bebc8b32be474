/** Tokens that say who a workload is, believed or refused over real HTTP with real signatures. */
import { SignJWT } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import { IssuerUnavailable } from '../../src/adapters/issuer-keys.ts';
import { tokenVerifier } from '../../src/adapters/token-verifier.ts';
import type { OidcAttestation } from '../../src/trust/attestation.ts';
import { type LocalIssuer, startIssuer } from './local-issuer.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const seconds = (ms: number): number => Math.floor(ms / 1_000);
const MINUTE = 60_000;
const AUDIENCE = 'meshwright/shop';
const SUB = 'system:serviceaccount:shop:web';
const TENANT = '7b0ad1a6-7e5c-4b0e-9e5f-0d1c2b3a4f55';
const PRINCIPAL = 'd3c1f0a2-4b5e-4c6d-8e7f-9a0b1c2d3e4f';

const running: LocalIssuer[] = [];
afterEach(async () => {
  for (const issuer of running.splice(0)) await issuer.stop();
});

/** As the API server has it in tokens that are projected into pods. */
const pod = (uid: string, jti: string) => ({ jti, 'kubernetes.io': { namespace: 'shop', pod: { name: `web-${uid}`, uid } } });

async function cluster(rest: { now?: () => number; coolDownMs?: number } = {}) {
  const now = rest.now ?? (() => NOW);
  const issuer = await startIssuer(() => NOW);
  running.push(issuer);
  const rule: OidcAttestation = { kind: 'kubernetes', issuer: issuer.url, audience: AUDIENCE };
  const verifier = tokenVerifier({ now, loopbackHttp: true, timeoutMs: 2_000, coolDownMs: rest.coolDownMs ?? 30_000 });
  return { issuer, rule, verifier, attest: (token: string) => verifier.attest(token, 'kubernetes', [rule]) };
}

describe('a service-account token of a cluster', () => {
  it('is believed when the issuer of the spec signed it for the audience of the spec', async () => {
    const { issuer, attest } = await cluster();
    const token = await issuer.token({ sub: SUB, aud: [AUDIENCE, 'other'], 'kubernetes.io': { pod: { name: 'web-1' } } });
    expect(await attest(token)).toEqual({
      kind: 'kubernetes',
      issuer: issuer.url,
      audiences: [AUDIENCE],
      namespace: 'shop',
      serviceAccount: 'web',
      token: { id: expect.stringMatching(/^[0-9a-f]{64}$/), endsAt: (seconds(NOW) + 600) * 1_000 + 5 * MINUTE },
    });
  });

  it.each<[string, boolean, object, object]>([
    ['of the same pod', true, pod('1', 'first'), pod('1', 'second')],
    ['of another pod', false, pod('1', 'first'), pod('2', 'first')],
    ['of no pod, by its own id', true, { jti: 'first', exp: seconds(NOW) + 500 }, { jti: 'first' }],
    ['of no pod, with another id', false, { jti: 'first' }, { jti: 'second' }],
    ['without an id', false, { more: 1 }, { more: 2 }],
    ['without an id, signed once more', true, {}, {}],
  ])('is known again, or not, by one %s: %s', async (_what, same, one, other) => {
    const { issuer, attest } = await cluster();
    const known = async (claims: object) => {
      const attested = await attest(await issuer.token({ sub: SUB, aud: AUDIENCE, ...claims }));
      if (attested.kind === 'refused') throw new Error(attested.message);
      return attested.token.id;
    };
    expect((await known(one)) === (await known(other))).toBe(same);
  });

  it.each<[string, string, (issuer: LocalIssuer) => Promise<string>]>([
    ['for another audience', 'TokenForAnotherAudience', (issuer) => issuer.token({ sub: SUB, aud: 'vault' })],
    ['without an audience', 'TokenForAnotherAudience', (issuer) => issuer.token({ sub: SUB })],
    ['that ended 6 minutes ago', 'TokenExpired', (issuer) => issuer.token({ sub: SUB, aud: AUDIENCE, exp: seconds(NOW - 6 * MINUTE) })],
    ['that counts in 6 minutes', 'TokenNotYetValid', (issuer) => issuer.token({ sub: SUB, aud: AUDIENCE, nbf: seconds(NOW + 6 * MINUTE) })],
    ['that never ends', 'TokenMalformed', (issuer) => issuer.token({ sub: SUB, aud: AUDIENCE, exp: undefined })],
    ['of another key', 'TokenSignatureWrong', (issuer) => issuer.forged({ sub: SUB, aud: AUDIENCE })],
    ['of another issuer', 'TokenIssuerUnknown', (issuer) => issuer.token({ iss: 'https://elsewhere.example', sub: SUB, aud: AUDIENCE })],
    ['about a person', 'TokenSubjectUnusable', (issuer) => issuer.token({ sub: 'jane@example.com', aud: AUDIENCE })],
    ['about a node', 'TokenSubjectUnusable', (issuer) => issuer.token({ sub: 'system:node:n1', aud: AUDIENCE })],
    ['that is none', 'TokenMalformed', async () => 'abc'],
    ['that is too long', 'TokenMalformed', (issuer) => issuer.token({ sub: SUB, aud: AUDIENCE, more: 'x'.repeat(20_000) })],
    [
      'without a signature',
      'TokenMalformed',
      async (issuer) => {
        const payload = { iss: issuer.url, sub: SUB, aud: AUDIENCE, exp: seconds(NOW) + 600 };
        return `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.`;
      },
    ],
    [
      'signed with a secret that both know',
      'TokenMalformed',
      (issuer) =>
        new SignJWT({ iss: issuer.url, sub: SUB, aud: AUDIENCE, exp: seconds(NOW) + 600 })
          .setProtectedHeader({ alg: 'HS256', kid: 'key-1' })
          .sign(new Uint8Array(32)),
    ],
  ])('%s is refused: %s', async (_what, reason, make) => {
    const { issuer, attest } = await cluster();
    const refused = await attest(await make(issuer));
    expect(refused).toMatchObject({ kind: 'refused', reason, message: expect.stringMatching(/\.$/) });
    expect(JSON.stringify(refused)).not.toContain('jane');
  });

  it.each([
    ['ended', { exp: seconds(NOW - 4 * MINUTE) }],
    ['counts only', { nbf: seconds(NOW + 4 * MINUTE) }],
  ])('that %s 4 minutes away is believed: clocks are that far apart', async (_what, claims) => {
    const { issuer, attest } = await cluster();
    expect(await attest(await issuer.token({ sub: SUB, aud: AUDIENCE, ...claims }))).toMatchObject({ kind: 'kubernetes' });
  });

  it.each([null, 7, ['https://issuer.example'], {}])('is refused when its issuer is no text: %j', async (iss) => {
    const { issuer, attest } = await cluster();
    expect(await attest(await issuer.token({ sub: SUB, aud: AUDIENCE, iss }))).toMatchObject({ kind: 'refused', reason: 'TokenMalformed' });
  });

  it('for the audience of one rule is not one for another rule of the same issuer', async () => {
    const { issuer, rule, verifier } = await cluster();
    const token = await issuer.token({ sub: SUB, aud: 'second' });
    expect(await verifier.attest(token, 'kubernetes', [rule, { ...rule, audience: 'second' }])).toMatchObject({ audiences: ['second'] });
  });
});

describe('the keys of an issuer', () => {
  it('are asked for once, and anew when a token names one that is not among them', async () => {
    const { issuer, attest } = await cluster({ coolDownMs: 0 });
    for (let time = 0; time < 3; time += 1) await attest(await issuer.token({ sub: SUB, aud: AUDIENCE }));
    expect(issuer.asked.get('/keys')).toBe(1);
    const before = await issuer.token({ sub: SUB, aud: AUDIENCE });
    await issuer.rollOver();
    expect(await attest(await issuer.token({ sub: SUB, aud: AUDIENCE }))).toMatchObject({ kind: 'kubernetes' });
    expect(issuer.asked.get('/keys')).toBe(2);
    expect(await attest(before)).toMatchObject({ reason: 'TokenSignatureWrong' });
    expect(issuer.asked.get('/.well-known/openid-configuration')).toBe(1);
  });

  it('are not asked for again and again because of tokens that name keys nobody has', async () => {
    const { issuer, attest } = await cluster();
    await attest(await issuer.token({ sub: SUB, aud: AUDIENCE }));
    await issuer.rollOver();
    const token = await issuer.token({ sub: SUB, aud: AUDIENCE });
    for (let time = 0; time < 5; time += 1) expect(await attest(token)).toMatchObject({ reason: 'TokenSignatureWrong' });
    expect(issuer.asked.get('/keys')).toBe(1);
  });

  it.each<[string, (issuer: LocalIssuer) => unknown]>([
    ['fails', (issuer) => (issuer.answer = { status: 500 })],
    ['sends elsewhere', (issuer) => issuer.redirects.set('/.well-known/openid-configuration', `${issuer.url}/moved`)],
    ['sends elsewhere for its keys', (issuer) => issuer.redirects.set('/keys', `${issuer.url}/moved`)],
    ['answers without end', (issuer) => (issuer.answer = { status: 200, body: `"${'x'.repeat(300_000)}"` })],
    ['speaks for another', (issuer) => (issuer.discovery = { issuer: 'https://other.example' })],
  ])('cannot be had where it %s: the token is neither believed nor refused', async (_what, spoil) => {
    const { issuer, attest } = await cluster();
    spoil(issuer);
    await expect(attest(await issuer.token({ sub: SUB, aud: AUDIENCE }))).rejects.toThrow(IssuerUnavailable);
  });

  it('are at its own host: whoever could name another would have the asker go wherever it can', async () => {
    const { issuer, attest } = await cluster();
    const other = await startIssuer(() => NOW);
    running.push(other);
    issuer.discovery = { jwks_uri: `${other.url}/keys` };
    await expect(attest(await other.token({ iss: issuer.url, sub: SUB, aud: AUDIENCE }))).rejects.toThrow('at another host');
    expect(other.asked.size).toBe(0);
  });

  it('are asked for over https alone', async () => {
    const { issuer, rule } = await cluster();
    const strict = tokenVerifier({ now: () => NOW });
    await expect(strict.attest(await issuer.token({ sub: SUB, aud: AUDIENCE }), 'kubernetes', [rule])).rejects.toThrow('no https address');
    expect(issuer.asked.size).toBe(0);
  });
});

describe('an access token of Entra ID', () => {
  async function tenant() {
    const issuer = await startIssuer(() => NOW, `/${TENANT}/v2.0`);
    running.push(issuer);
    const rule: OidcAttestation = { kind: 'entra', tenant: TENANT, audience: 'api://meshwright', identities: [] };
    const entraAuthority = issuer.url.slice(0, issuer.url.indexOf(`/${TENANT}`));
    const verifier = tokenVerifier({ now: () => NOW, loopbackHttp: true, entraAuthority });
    return { issuer, attest: (token: string) => verifier.attest(token, 'entra', [rule]) };
  }
  const claims = { sub: PRINCIPAL, oid: PRINCIPAL, tid: TENANT, aud: 'api://meshwright' };

  it('is believed in both versions, and only its principal is kept', async () => {
    const { issuer, attest } = await tenant();
    const attested = { kind: 'entra', tenant: TENANT, audiences: ['api://meshwright'], principal: PRINCIPAL, token: expect.anything() };
    expect(await attest(await issuer.token({ ...claims, name: 'Jane Doe', upn: 'jane@example.com' }))).toEqual(attested);
    expect(await attest(await issuer.token({ ...claims, iss: `https://sts.windows.net/${TENANT}/` }))).toEqual(attested);
  });

  it.each([
    ['of another tenant', 'TokenSubjectUnusable', { tid: PRINCIPAL }],
    ['without a principal', 'TokenSubjectUnusable', { oid: undefined }],
    ['for another audience', 'TokenForAnotherAudience', { aud: 'https://vault.azure.net' }],
    ['of an issuer for another tenant', 'TokenIssuerUnknown', { iss: `https://sts.windows.net/${PRINCIPAL}/` }],
  ])('%s is refused: %s', async (_what, reason, other) => {
    const { issuer, attest } = await tenant();
    expect(await attest(await issuer.token({ ...claims, ...other }))).toMatchObject({ kind: 'refused', reason });
  });
});
