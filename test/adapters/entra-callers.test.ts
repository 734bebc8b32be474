/** Callers by tokens of Entra ID, believed or refused over real HTTP with real signatures. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import { entraCallers } from '../../src/adapters/entra-callers.ts';
import { IssuerUnavailable } from '../../src/adapters/issuer-keys.ts';
import { type LocalIssuer, startIssuer } from './local-issuer.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const seconds = (ms: number): number => Math.floor(ms / 1_000);
const MINUTE = 60_000;
const TENANT = '7b0ad1a6-7e5c-4b0e-9e5f-0d1c2b3a4f55';
const OTHER = '00000000-7e5c-0b0e-0e5f-0d1c2b3a4f00';
const PRINCIPAL = 'd3c1f0a2-4b5e-4c6d-8e7f-9a0b1c2d3e4f';
const CLIENT = '5a1e7c44-93ad-4f52-8b57-0f4f9d1c2b3a';
const URI = 'api://meshwright';
const CLAIMS = { sub: 'pairwise', oid: PRINCIPAL, tid: TENANT, aud: CLIENT, azp: CLIENT, ver: '2.0', roles: ['Operator:shop'] };
const V1 = { iss: `https://sts.windows.net/${TENANT}/`, aud: URI, azp: undefined, appid: CLIENT, ver: '1.0' };

const running: LocalIssuer[] = [];
afterEach(async () => {
  for (const issuer of running.splice(0)) await issuer.stop();
});

async function entra({ tenants = [TENANT], audiences = [CLIENT, URI] }: { tenants?: string[]; audiences?: string[] } = {}) {
  const issuer = await startIssuer(() => NOW, `/${TENANT}/v2.0`);
  running.push(issuer);
  const authority = issuer.url.slice(0, issuer.url.indexOf(`/${TENANT}`));
  const callers = entraCallers({ now: () => NOW, tenants, audiences, authority, loopbackHttp: true, coolDownMs: 0 });
  return { issuer, authority, ask: (bearer: string | undefined) => callers.authenticate({ bearer }), callers };
}

describe('an access token of Entra ID', () => {
  it('says by its object id who asks, and by its roles what they may do; nothing else of it is handed on', async () => {
    const { issuer, ask } = await entra();
    const personal = { name: 'Jane Doe', preferred_username: 'jane@example.com', upn: 'jane@example.com', email: 'jane@example.com' };
    const answer = await ask(await issuer.token({ ...CLAIMS, ...personal, scp: 'access', roles: ['Operator:shop', 'Reader', 'Cook'] }));
    expect(answer).toEqual({
      ok: true,
      caller: { actor: PRINCIPAL, grants: [{ role: 'Operator', mesh: 'shop' }, { role: 'Reader' }] },
    });
  });

  it.each<[string, object]>([
    ['an application', { idtyp: 'app' }],
    ['version 1.0, for the URI', V1],
    ['a clock that is 4 minutes behind', { exp: seconds(NOW - 4 * MINUTE) }],
    ['a clock that is 4 minutes ahead', { nbf: seconds(NOW + 4 * MINUTE) }],
    ['a tenant written otherwise', { tid: TENANT.toUpperCase() }],
  ])('is believed of %s', async (_what, claims) => {
    const { issuer, ask } = await entra();
    expect(await ask(await issuer.token({ ...CLAIMS, ...claims }))).toMatchObject({ ok: true, caller: { actor: PRINCIPAL } });
  });

  it('without roles is of somebody who may do nothing', async () => {
    const { issuer, ask } = await entra();
    expect(await ask(await issuer.token({ ...CLAIMS, roles: undefined }))).toEqual({ ok: true, caller: { actor: PRINCIPAL, grants: [] } });
  });

  it.each<[string, RegExp, (issuer: LocalIssuer, authority: string) => Promise<string | undefined>]>([
    ['is not there', /Authorization: Bearer/, async () => undefined],
    ['is garbage', /no access token/, async () => 'abc'],
    ['is too long', /no access token/, (issuer) => issuer.token({ ...CLAIMS, more: 'x'.repeat(20_000) })],
    ['is for another audience', /another audience/, (issuer) => issuer.token({ ...CLAIMS, aud: 'https://vault.azure.net' })],
    ['is for no audience', /another audience/, (issuer) => issuer.token({ ...CLAIMS, aud: undefined })],
    ['is of version 1.0, for the client id', /another version/, (issuer) => issuer.token({ ...CLAIMS, ...V1, aud: CLIENT })],
    ['is of version 2.0, for the URI', /another version/, (issuer) => issuer.token({ ...CLAIMS, aud: URI })],
    ['is of a tenant that is not listed', /another tenant/, (issuer, at) => issuer.token({ ...CLAIMS, iss: `${at}/${OTHER}/v2.0` })],
    [
      'is of such a tenant, version 1.0',
      /another tenant/,
      (issuer) => issuer.token({ ...CLAIMS, iss: `https://sts.windows.net/${OTHER}/` }),
    ],
    [
      'is of the tenant, by another authority',
      /another tenant/,
      (issuer) => issuer.token({ ...CLAIMS, iss: `https://evil.example/${TENANT}/v2.0` }),
    ],
    ['is of the right issuer, about another tenant', /principal of its tenant/, (issuer) => issuer.token({ ...CLAIMS, tid: OTHER })],
    ['is about nobody', /principal of its tenant/, (issuer) => issuer.token({ ...CLAIMS, oid: undefined })],
    ['is an ID token', /no access token/, (issuer) => issuer.token({ ...CLAIMS, azp: undefined })],
    ['has ended 6 minutes ago', /has ended/, (issuer) => issuer.token({ ...CLAIMS, exp: seconds(NOW - 6 * MINUTE) })],
    ['never ends', /"exp"/, (issuer) => issuer.token({ ...CLAIMS, exp: undefined })],
    ['counts only in 6 minutes', /counts only later/, (issuer) => issuer.token({ ...CLAIMS, nbf: seconds(NOW + 6 * MINUTE) })],
    ['was forged', /not signed by a key of its issuer/, (issuer) => issuer.forged(CLAIMS)],
    ['names a key that nobody has', /not signed by a key of its issuer/, (issuer) => byStranger(issuer)],
    ['brings its own key', /not signed by a key of its issuer/, (issuer) => byStranger(issuer, true)],
    ['is not signed', /is no JWT that is signed/, async (issuer) => unsigned({ ...CLAIMS, iss: issuer.url, exp: seconds(NOW) + 600 })],
    ['is signed with what everybody knows', /is no JWT that is signed/, (issuer) => bySecret(issuer)],
  ])('that %s is refused, with one sentence', async (_what, why, make) => {
    const { issuer, authority, ask } = await entra();
    const answer = await ask(await make(issuer, authority));
    if (answer.ok) throw new Error('It was believed.');
    expect(answer.message).toMatch(why);
    expect(answer.message).toMatch(/^[^.]*(\.\w[^.]*)*\.$/);
  });

  it('is believed of each tenant that is listed, by the keys of that one alone', async () => {
    const { issuer, authority, ask } = await entra({ tenants: [OTHER, TENANT] });
    expect(await ask(await issuer.token(CLAIMS))).toMatchObject({ ok: true });
    // Nobody answers for the other one here: its tokens are neither believed by the keys of the first, nor refused.
    await expect(ask(await issuer.token({ ...CLAIMS, iss: `${authority}/${OTHER}/v2.0`, tid: OTHER }))).rejects.toThrow(IssuerUnavailable);
    expect(issuer.asked.get(`/${OTHER}/v2.0/.well-known/openid-configuration`)).toBe(1);
  });

  it('is verified by the keys that are in force: by new ones at once, by old ones no longer', async () => {
    const { issuer, ask } = await entra();
    const before = await issuer.token(CLAIMS);
    expect(await ask(before)).toMatchObject({ ok: true });
    await issuer.rollOver();
    expect(await ask(await issuer.token(CLAIMS))).toMatchObject({ ok: true });
    expect(await ask(before)).toMatchObject({ ok: false });
  });

  it('is neither believed nor refused while Entra ID does not answer', async () => {
    const { issuer, ask } = await entra();
    issuer.answer = { status: 503 };
    await expect(ask(await issuer.token(CLAIMS))).rejects.toThrow(IssuerUnavailable);
  });
});

async function byStranger(issuer: LocalIssuer, bringsKey = false): Promise<string> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const header = { alg: 'ES256', kid: 'stranger', ...(bringsKey ? { jwk: await exportJWK(publicKey) } : {}) };
  return new SignJWT({ ...CLAIMS, iss: issuer.url, exp: seconds(NOW) + 600 }).setProtectedHeader(header).sign(privateKey);
}

const bySecret = (issuer: LocalIssuer): Promise<string> =>
  new SignJWT({ ...CLAIMS, iss: issuer.url, exp: seconds(NOW) + 600 })
    .setProtectedHeader({ alg: 'HS256', kid: 'key-1' })
    .sign(new Uint8Array(32));

const unsigned = (claims: object): string =>
  `${[{ alg: 'none' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`;
