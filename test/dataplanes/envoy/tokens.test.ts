/**
 * A real Envoy before a workload that asks for tokens: which it believes, whom it fetches keys from, and that it follows the issuer from key
 * to key by itself. Issuers are local, over TLS, with real keys and signatures.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { renderBootstrap } from '../../../src/dataplanes/envoy/bootstrap.ts';
import { renderNode } from '../../../src/dataplanes/envoy/render.ts';
import type { EnvoyNode } from '../../../src/dataplanes/envoy/resources.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';
import type { ServicePlan, Tokens } from '../../../src/plan/plan.ts';
import type { LocalIssuer } from '../../adapters/local-issuer.ts';
import { until } from '../../e2e/until.ts';
import { freePorts, realEnvoy, runEnvoy } from '../../real-envoy.ts';
import { createAuthority, writeIdentity } from './identities.ts';
import { bearing, type Issuers, startIssuers, tokensOf } from './issuers.ts';
import { overTls } from './proving-mesh.ts';
import { staticConfiguration } from './static-configuration.ts';
import { type Call, call, LOOPBACK, startWorkload, type Workload } from './workload.ts';

const envoy = await realEnvoy();
const AUDIENCE = 'api://catalog';
const MINUTE = 60;

describe.skipIf(envoy === undefined)('a service that asks for tokens', () => {
  let issuers: Issuers;
  let workload: Workload;
  beforeAll(async () => {
    issuers = await startIssuers();
    workload = await startWorkload('catalog');
  });
  afterAll(async () => {
    await workload?.stop();
    await issuers?.stop();
  });

  interface Asked {
    readonly tokens: Tokens;
    readonly security?: ServicePlan['security'];
    readonly identity?: EnvoyNode['identity'];
    /** How often keys are looked for, in place of every 5 minutes. */
    readonly lookingEvery?: string;
  }

  /** Until the test ends; how it is called, in plaintext, and its port. */
  async function serve({ tokens, security, identity, lookingEvery }: Asked) {
    const [inbound = 0] = await freePorts(1);
    const node: EnvoyNode = {
      id: 'receiver',
      mesh: 'sample',
      dataPlane: 'vms',
      inbound: { service: 'catalog', version: 'v1', address: LOOPBACK, port: inbound, workloadPort: workload.port },
      authorities: issuers.authorities,
      ...(identity ? { identity } : {}),
    };
    const plan: ServicePlan = {
      mesh: 'sample',
      service: 'catalog',
      namespace: 'shop',
      port: 8080,
      protocol: 'http',
      selector: { app: 'catalog' },
      versions: [{ name: 'v1', labels: { version: 'v1' } }],
      routes: [{ name: 'default', match: {}, split: [{ version: 'v1', weight: 100 }] }],
      dataPlanes: ['vms'],
      tokens,
      ...(security ? { security } : {}),
    };
    const configuration = staticConfiguration(
      renderBootstrap({ node, xds: { address: LOOPBACK, port: 1 } }),
      renderNode(node, [plan]).map((each) => ({ ...each, json: lookingEvery === undefined ? each.json : sooner(each.json, lookingEvery) })),
    );
    const running = await runEnvoy(envoy ?? '', configuration, [inbound]);
    onTestFinished(running.stop);
    const ask = async (token?: string, over: Partial<Call> = {}): Promise<number> => {
      const headers = token === undefined ? {} : bearing(token).headers;
      return (await call({ port: inbound, host: 'catalog', headers, ...over })).status;
    };
    return { port: inbound, ask };
  }

  const seconds = (fromNow: number): number => Math.floor(Date.now() / 1_000) + fromNow;
  const good = (issuer: LocalIssuer): Promise<string> => issuer.token({ aud: AUDIENCE });

  it('lets a call in by a good token alone, which the workload is shown', async () => {
    const { ours, others } = issuers;
    const { ask } = await serve({ tokens: tokensOf(ours, AUDIENCE) });
    const token = await good(ours);
    expect([await ask(), await ask(token)]).toEqual([401, 200]);
    expect(workload.received.at(-1)?.headers.authorization).toBe(`Bearer ${token}`);

    const before = workload.received.length;
    const of = (claims: Readonly<Record<string, unknown>>) => ours.token({ aud: AUDIENCE, ...claims });
    const refused = {
      'signed by another key, under the id of a known one': await ours.forged({ aud: AUDIENCE }),
      'of another issuer': await good(others),
      'of another issuer that says it is this one': await others.token({ iss: ours.url, aud: AUDIENCE }),
      'of this one, that says it is another': await of({ iss: others.url }),
      'that has ended': await of({ exp: seconds(-3 * MINUTE) }),
      'that has not begun': await of({ nbf: seconds(3 * MINUTE) }),
      'for somebody else': await of({ aud: 'api://orders' }),
      'for nobody': await ours.token({}),
      'for a name that is nearly the same': await of({ aud: `https://${AUDIENCE}/` }),
      unsigned: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${token.split('.')[1]}.`,
      'that is none': 'abc',
    };
    const answers = await Promise.all(Object.entries(refused).map(async ([what, bad]) => [what, await ask(bad)] as const));
    const forSomebodyElse = ['for somebody else', 'for nobody', 'for a name that is nearly the same'];
    expect(answers).toEqual(Object.keys(refused).map((what) => [what, forSomebodyElse.includes(what) ? 403 : 401]));
    const inTheQuery = await ask(undefined, { path: `/?access_token=${token}` });
    const asBasic = await ask(undefined, { headers: { authorization: `Basic ${token}` } });
    const preflight = await ask(undefined, {
      method: 'OPTIONS',
      headers: { origin: 'https://a.example', 'access-control-request-method': 'GET' },
    });
    expect([inTheQuery, asBasic, preflight]).toEqual([401, 401, 401]);
    expect(await ask(undefined, { method: 'OPTIONS', path: '*' })).not.toBe(200);
    expect(workload.received.length).toBe(before);
    expect(ours.asked.get('/keys'), 'no bad token has it ask for keys').toBe(1);
  });

  it('asks for both, a caller that `allow` names and a token, and keeps them apart in what it answers', async () => {
    const { ours } = issuers;
    const folder = await mkdtemp(join(tmpdir(), 'meshwright-tokens-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const authority = await createAuthority('mesh');
    const account = (name: string) => `spiffe://mesh.example/ns/shop/sa/${name}`;
    const directory = join(folder, 'identity');
    await writeIdentity(directory, await authority.issue(account('catalog')), [authority]);
    const allow = [{ callers: [{ namespace: 'shop', serviceAccount: 'web' }] }];
    const security = { stage: 'strict', trustDomain: 'mesh.example', serviceAccount: 'catalog', allow } as const;
    const { port } = await serve({ tokens: tokensOf(ours, AUDIENCE, ['Read']), security, identity: { directory } });
    const asked = async (by: string, token?: string) =>
      overTls({ port, host: 'catalog', ...(token === undefined ? {} : bearing(token)) }, await authority.issue(account(by)), authority);
    const reader = await ours.token({ aud: AUDIENCE, roles: ['Read', 'Other'] });
    const nobody = await good(ours);
    expect([await asked('web', reader), await asked('web', nobody), await asked('web')]).toEqual([200, 403, 401]);
    expect([await asked('admin', reader), await asked('admin')]).toEqual([403, 403]);
  });

  it('believes a key that the issuer rolls over to, and the one before no more, without being told', { timeout: 60_000 }, async () => {
    const { ours } = issuers;
    const { ask } = await serve({ tokens: tokensOf(ours, AUDIENCE), lookingEvery: '0.2s' });
    const before = await good(ours);
    expect(await ask(before)).toBe(200);
    await ours.rollOver();
    const after = await good(ours);
    await until('the new key is believed', async () => (await ask(after)) === 200, 30_000);
    expect(await ask(before)).toBe(401);
  });

  it('goes on with the keys at hand while the issuer cannot be reached', async () => {
    const { others } = issuers;
    const { ask } = await serve({ tokens: tokensOf(others, AUDIENCE), lookingEvery: '0.2s' });
    const token = await good(others);
    expect(await ask(token)).toBe(200);
    others.answer = { status: 503 };
    onTestFinished(() => {
      others.answer = undefined;
    });
    const asked = others.asked.get('/keys') ?? 0;
    await until('it has been refused keys', async () => (others.asked.get('/keys') ?? 0) >= asked + 3, 30_000);
    expect(await ask(token)).toBe(200);
  });

  it('refuses every token until it has had keys once', async () => {
    const { others } = issuers;
    others.answer = { status: 503 };
    const { ask } = await serve({ tokens: tokensOf(others, AUDIENCE) });
    const token = await good(others);
    expect(await ask(token)).toBe(401);
    others.answer = undefined;
    await until('it has keys', async () => (await ask(token)) === 200, 30_000);
  });

  it.each([
    ['whose certificate is for another host', { host: 'elsewhere.example' }],
    ['whose certificate nobody vouches for that the Envoy believes', 'by nobody known'],
  ] as const)('takes no keys from an issuer %s', async (_, certificate) => {
    const impostor = await issuers.impostor(certificate);
    const { ask } = await serve({ tokens: tokensOf(impostor, AUDIENCE) });
    expect(await ask(await good(impostor))).toBe(401);
    expect(impostor.asked.size).toBe(0);
  });
});

/** The same configuration but for how often keys are looked for. */
function sooner(json: JsonObject, every: string): JsonObject {
  return JSON.parse(JSON.stringify(json), (key, value) => (key === 'cache_duration' ? every : value));
}
