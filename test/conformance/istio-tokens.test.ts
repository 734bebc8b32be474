/**
 * Tokens on Istio: plans that ask for them, rendered and applied, a real istiod that fetches the issuer's keys, and real requests through
 * stock Envoys. Issuers are local, over TLS, with real keys and signatures.
 */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { AllowRule, PlannedSecurity, Tokens } from '../../src/plan/plan.ts';
import { bearing, type Issuers, startIssuers, tokensOf } from '../dataplanes/envoy/issuers.ts';
import { ask, type Outcome, sendRequests, type Target } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { rejections } from './envoy.ts';
import type { IstioCaller, IstioWorkload } from './istio-envoys.ts';
import { type PlannedMesh, planOf, startPlannedMesh } from './istio-plans.ts';
import { TRUST_DOMAIN } from './istiod.ts';
import { Started, stopping } from './process.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;

const catalog = { name: 'catalog', namespace: 'shop', port: 8080 };
const v1 = [{ version: 'v1', weight: 100 }];
const AUDIENCE = 'api://catalog';
const web: AllowRule = { callers: [{ namespace: 'shop', serviceAccount: 'web' }] };

describe.skipIf(!have)('tokens that a plan asks for, on Istio', () => {
  const started = new Started();
  let issuers: Issuers;
  let mesh: PlannedMesh;
  let workload: IstioWorkload;
  let named: IstioCaller;
  let stranger: IstioCaller;

  beforeAll(async () => {
    issuers = await startIssuers();
    started.add(stopping(issuers.stop));
    // The authorities that istiod believes, and how often it looks for keys in place of every 20 minutes.
    const environment = { SSL_CERT_FILE: issuers.authorities, PILOT_JWT_PUB_KEY_REFRESH_INTERVAL: '2s' };
    mesh = started.add(await startPlannedMesh({}, environment));
    const { envoys } = mesh;
    await envoys.service(catalog);
    await mesh.bring(planOf(catalog, v1));
    [workload, named, stranger] = await Promise.all([
      envoys.workload(catalog, 'v1'),
      envoys.caller('web', 'shop', catalog.port),
      envoys.caller('stranger', 'shop', catalog.port),
    ]);
    for (const caller of [named, stranger]) await until('catalog answers', async () => 'version' in (await ask(caller.to(catalog))));
  });
  afterAll(() => started.stop());

  const bring = (tokens: Tokens, stage?: PlannedSecurity['stage']): Promise<void> => {
    const security = stage && { stage, trustDomain: TRUST_DOMAIN, serviceAccount: 'catalog', allow: [web] };
    return mesh.bring(planOf(catalog, v1, { tokens, ...(security ? { security } : {}) }));
  };
  const to = (caller: IstioCaller, token?: string, over: Partial<Target> = {}): Target =>
    caller.to(catalog, { ...(token === undefined ? {} : bearing(token)), ...over });
  const statusOf = (outcome: Outcome): number => ('version' in outcome ? outcome.status : Number(outcome.failure.split(' ')[0]));
  const status = async (target: Target): Promise<number> => statusOf(await ask(target));
  /** Connections from before a policy are drained, and a caller may have several. */
  const refusedThroughout = (target: Target): Promise<unknown> =>
    until('no connection is left that lets it in', async () => (await sendRequests(target, 40)).failures.length === 40);
  const letIn = (target: Target): Promise<unknown> =>
    until('it is let in', async () => (await sendRequests(target, 20)).answers.size === 1);

  it('let a call in by a good one alone, whoever makes it, and the workload is shown it', async () => {
    const { ours, others } = issuers;
    await bring(tokensOf(ours, AUDIENCE));
    const good = await ours.token({ aud: AUDIENCE });
    await refusedThroughout(to(named));
    await letIn(to(named, good));
    await letIn(to(stranger, good));
    expect(workload.backend.received.at(-1)?.headers.authorization).toBe(`Bearer ${good}`);
    workload.backend.received.length = 0;
    const minutesAgo = Math.floor(Date.now() / 1_000) - 180;
    const answers = {
      none: await status(to(named)),
      'by a key it does not have': await status(to(named, await ours.forged({ aud: AUDIENCE }))),
      'for another': await status(to(named, await ours.token({ aud: 'api://orders' }))),
      'for nearly the same name': await status(to(named, await ours.token({ aud: `https://${AUDIENCE}/` }))),
      'of another issuer': await status(to(named, await others.token({ aud: AUDIENCE }))),
      'of another that says it is this one': await status(to(named, await others.token({ iss: ours.url, aud: AUDIENCE }))),
      ended: await status(to(named, await ours.token({ aud: AUDIENCE, exp: minutesAgo }))),
      'in the query': await status(to(named, undefined, { path: `/items?access_token=${good}` })),
      preflight: await status(
        to(named, undefined, { method: 'OPTIONS', headers: { origin: 'https://a.example', 'access-control-request-method': 'GET' } }),
      ),
    };
    expect(answers).toEqual({
      none: 403,
      'by a key it does not have': 401,
      'for another': 403,
      'for nearly the same name': 403,
      'of another issuer': 401,
      'of another that says it is this one': 401,
      ended: 401,
      'in the query': 403,
      preflight: 403,
    });
    expect(workload.backend.received).toEqual([]);
  });

  it('are asked for in shadow, and beside the callers that `allow` names in strict', async () => {
    const { ours } = issuers;
    const reader = await ours.token({ aud: AUDIENCE, roles: ['Other', 'Read'] });
    const nobody = await ours.token({ aud: AUDIENCE });
    await bring(tokensOf(ours, AUDIENCE, ['Read', 'Write']), 'shadow');
    for (const target of [to(stranger, nobody), to(named), to(named, nobody)]) {
      await refusedThroughout(target);
      expect(await status(target)).toBe(403);
    }
    await letIn(to(stranger, reader));
    await bring(tokensOf(ours, AUDIENCE, ['Read', 'Write']), 'strict');
    for (const target of [to(stranger, reader), to(named), to(named, nobody), to(stranger)]) {
      await refusedThroughout(target);
      expect(await status(target)).toBe(403);
    }
    await letIn(to(named, reader));
  });

  it('stay asked for where others allow everybody, and take tokens of their own', async () => {
    const { ours, others } = issuers;
    const spec = { selector: { matchLabels: { app: 'catalog' } } };
    const theirs = [
      {
        apiVersion: 'security.istio.io/v1',
        kind: 'AuthorizationPolicy',
        metadata: { name: 'theirs', namespace: 'shop' },
        spec: { ...spec, action: 'ALLOW', rules: [{}] },
      },
      {
        apiVersion: 'security.istio.io/v1',
        kind: 'RequestAuthentication',
        metadata: { name: 'theirs', namespace: 'shop' },
        spec: { ...spec, jwtRules: [{ issuer: others.url, jwksUri: `${others.url}/keys`, forwardOriginalToken: true }] },
      },
    ];
    await bring(tokensOf(ours, AUDIENCE), 'strict');
    await mesh.api.admin.mustApply(...theirs);
    onTestFinished(async () => {
      for (const object of theirs) await mesh.api.admin.ask('DELETE', await mesh.api.admin.pathOf(object));
    });
    await letIn(to(stranger, await ours.token({ aud: AUDIENCE })));
    const ofOthers = await others.token({ aud: AUDIENCE });
    // Verified by theirs, and refused by ours.
    await until('theirs is believed', async () => (await status(to(named, ofOthers))) === 403);
    for (const target of [to(named, ofOthers), to(named), to(stranger)]) {
      await refusedThroughout(target);
      expect(await status(target)).toBe(403);
    }
  });

  it('are believed by a key that the issuer rolls over to, and no more by the one before, without a word of ours', async () => {
    const { ours } = issuers;
    await bring(tokensOf(ours, AUDIENCE));
    const before = await ours.token({ aud: AUDIENCE });
    await letIn(to(named, before));
    await ours.rollOver();
    await letIn(to(named, await ours.token({ aud: AUDIENCE })));
    await refusedThroughout(to(named, before));
  });

  it('are not believed where the certificate of the issuer is not its own', async () => {
    const impostor = await issuers.impostor({ host: 'elsewhere.example' });
    await bring(tokensOf(impostor, AUDIENCE));
    const token = await impostor.token({ aud: AUDIENCE });
    await refusedThroughout(to(named, token));
    await until('its token is looked at', async () => (await status(to(named, token))) === 401);
    expect(impostor.asked.size).toBe(0);
  });

  it('are no reason for an Envoy to reject what it is given', async () => {
    for (const envoy of [named.envoy, stranger.envoy, workload.envoy]) expect(envoy && (await rejections(envoy))).toBe(0);
  });
});
