/**
 * What people and logs are told when a data plane is not reached never holds what it would be reached with: whatever is wrong with
 * a setting, its content may be a secret. Held against the app: the head of the service, its status, and all that is logged.
 */
import { inspect } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { aksConfig } from '../../src/adapters/aks-credentials.ts';
import { readConsulConfig } from '../../src/adapters/consul-config.ts';
import { readKubeconfig } from '../../src/adapters/kubeconfig.ts';
import { kubernetesCluster } from '../../src/adapters/kubernetes-cluster.ts';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { namedDataPlanes } from '../../src/data-planes.ts';
import { readSettings } from '../../src/environment.ts';
import { serviceFile, World } from '../world.ts';

const SECRET = 'planted0secret1that2nobody3may4read';
/** Nobody listens there. */
const NOWHERE = '127.0.0.1:1';
const base64 = (text: string): string => Buffer.from(text).toString('base64');

const kubeconfig = (user: object, server = `https://${NOWHERE}`): string =>
  stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'west', cluster: { server } }],
    users: [{ name: 'ci', user }],
    contexts: [{ name: 'west', context: { cluster: 'west', user: 'ci' } }],
    'current-context': 'west',
  });
const good = kubeconfig({ token: SECRET });
const slip = good.replace(`token: ${SECRET}`, `token: ${SECRET}\n   client: x`);

const kubeconfigs: readonly (readonly [string, string])[] = [
  ['of a server that is away', good],
  ['in base64', base64(good)],
  ['in base64, in lines', base64(good).replace(/.{76}/g, '$&\n')],
  ['with a slip in its YAML', slip],
  ['with a slip, in base64', base64(slip)],
  ['with a slip in its JSON', `{"users": [{"user": {"token": "${SECRET}"}},, ]}`],
  ['that is only the token', SECRET],
  ['that is only the token, in base64', base64(SECRET)],
  ['that is only a token that looks like a path', `/${SECRET}`],
  ['whose server is no URL', kubeconfig({ token: 'x' }, `user:${SECRET}@west`)],
  ['whose token no header can hold', kubeconfig({ token: `${SECRET}\nx` })],
  ['whose certificate is none', kubeconfig({ 'client-certificate-data': base64(SECRET), 'client-key-data': base64(SECRET) })],
];

/** In any form that it was planted in; each long piece of it counts. */
const leaks = (told: string): readonly string[] =>
  [SECRET, base64(SECRET), base64(good), base64(slip)].map((secret) => secret.slice(0, 24)).filter((piece) => told.includes(piece));

/** All that the app says, keeps and logs of a service whose one data plane is this. */
async function toldOf(dataPlane: string, setting: string, held: string): Promise<string> {
  vi.stubEnv(setting, held);
  const documents = new MemoryDocuments();
  const logged: string[] = [];
  const world = new World({
    documents,
    connect: namedDataPlanes(documents, readSettings({}), async () => undefined),
    report: (problem, error) => logged.push(problem, inspect(error, { depth: 12, showHidden: true })),
  });
  const mesh = { path: 'shop.yaml', text: `apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ndataPlanes:\n  - ${dataPlane}\n` };
  expect(await world.app.apply([mesh, serviceFile('catalog')], { actor: 'kim' })).toMatchObject({ ok: true });
  await world.after(120_000);
  const head = await documents.read('service/shop/catalog', 'head');
  const status = await world.app.service('shop', 'catalog');
  return [...logged, JSON.stringify(head), JSON.stringify(status), JSON.stringify(world.cards)].join('\n');
}

/** How it fails, as a log would write it. */
const failureOf = async (work: Promise<unknown>): Promise<string> =>
  inspect(await work.catch((error: unknown) => error), { depth: 12, showHidden: true });

describe('a kubeconfig', () => {
  it.each(kubeconfigs)('%s is not in what is said, kept or logged', async (what, held) => {
    const setting = `PLANTED_${what.replaceAll(/\W/g, '_').toUpperCase()}`;
    const told = await toldOf(`{ name: west, kind: istio, cluster: { kubeconfigSetting: ${setting} } }`, setting, held);
    expect(told).toMatch(/kubeconfig|API server/);
    expect(leaks(told)).toEqual([]);
  });

  it('in base64 is one like any other, in one line or in several', async () => {
    for (const held of [base64(good), base64(good).replace(/.{76}/g, '$&\n')]) {
      const config = await readKubeconfig(held);
      expect('message' in config ? config : config.getCurrentUser()?.token).toBe(SECRET);
    }
  });
});

describe("Consul's token", () => {
  it.each([SECRET, `${SECRET}\nx`, `„${SECRET}“`])('is not in what is said, kept or logged (%j)', async (token) => {
    const dataPlane = `{ name: dc, kind: consul, defaultPolicy: deny, address: 'http://${NOWHERE}', tokenSetting: PLANTED_CONSUL }`;
    const told = await toldOf(dataPlane, 'PLANTED_CONSUL', token);
    expect(told).toMatch(/Consul at/);
    expect(leaks(told)).toEqual([]);
    expect(leaks(await failureOf(readConsulConfig(`http://${NOWHERE}`, token)))).toEqual([]);
  });
});

describe("Consul's address", () => {
  it('with a password is refused, and not quoted', async () => {
    const dataPlane = `{ name: dc, kind: consul, defaultPolicy: deny, address: 'https://kim:${SECRET}@${NOWHERE}' }`;
    const mesh = { path: 'shop.yaml', text: `apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ndataPlanes:\n  - ${dataPlane}\n` };
    const applied = await new World().app.apply([mesh], { actor: 'kim' });
    expect(applied).toMatchObject({
      ok: false,
      problems: [{ field: 'dataPlanes[0].address', message: expect.stringContaining('tokenSetting') }],
    });
    expect(leaks(JSON.stringify(applied))).toEqual([]);
  });
});

describe('what Azure gives to reach a cluster with', () => {
  const asked = (body: string, token = SECRET) =>
    failureOf(
      kubernetesCluster({
        config: aksConfig({
          resourceId: '/subscriptions/s',
          credential: { getToken: async () => ({ token, expiresOnTimestamp: Number.MAX_SAFE_INTEGER }) },
          now: () => 0,
          fetch: async (url, options) => {
            // Refuses, and quotes, what fetch itself would.
            new Request(url, options);
            return new Response(body);
          },
        }),
      }).list({ apiVersion: 'v1', kind: 'Service', plural: 'services' }, {}),
    );

  it.each([
    ['no JSON', `${base64(good)} and more`],
    ['JSON of another kind', JSON.stringify({ kubeconfigs: { value: base64(good) } })],
    ['a kubeconfig that is none', JSON.stringify({ kubeconfigs: [{ value: base64(slip) }] })],
    ['a kubeconfig', JSON.stringify({ kubeconfigs: [{ value: base64(good) }] })],
  ])('is not in what is said: %s', async (_what, body) => {
    expect(leaks(await asked(body))).toEqual([]);
    expect(leaks(await asked(body, `${SECRET}\nx`))).toEqual([]);
  });
});
