/**
 * What comes in wrong, over HTTP and over the Event Grid endpoint of the shipped functions: people are told what is wrong
 * with it, Event Grid is thanked for it, it is kept where people look, and nothing of it is half applied.
 */
import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { newAlert, payloadOf } from './alerts.ts';
import type { Answer } from './api.ts';
import { type Installation, installation } from './installation.ts';

const EVENT_GRID = '/runtime/webhooks/EventGrid?functionName=deploymentEvents';
const ONE_MIB = 1024 * 1024;
const parkedSchema = z.object({
  parked: z.array(z.looseObject({ id: z.string(), door: z.string(), reason: z.string(), message: z.string() })),
});

let mesh: Installation;
let versionBefore: number;

beforeAll(async () => {
  mesh = await installation();
  await mesh.start('functions');
  await mesh.apply('rollout: canary');
});
afterAll(() => mesh?.stop());
beforeEach(async () => {
  versionBefore = (await mesh.status()).version;
});

const parked = async () => parkedSchema.parse((await mesh.call('GET', '/parked')).body).parked;
const post = (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
  mesh.call('POST', path, body, headers);
/** As Event Grid delivers to a function: the key is part of the address it has subscribed. */
const fromEventGrid = (...events: readonly unknown[]): Promise<Answer> =>
  post(`${EVENT_GRID}&code=${mesh.token}`, events, { 'aeg-event-type': 'Notification', authorization: '' });

const requested = (id: string, data: unknown) => ({
  specversion: '1.0',
  id,
  source: '/ci',
  type: 'Meshwright.Deployment.Requested',
  time: '2026-11-22T14:03:00Z',
  data,
});

/** RFC 9457, with the reason by name and a sentence. */
function expectProblem(answer: Answer, status: number, reason: string, sentence: RegExp): void {
  expect(answer).toMatchObject({ status, contentType: 'application/problem+json', body: { status, reason } });
  expect(z.object({ detail: z.string() }).parse(answer.body).detail).toMatch(sentence);
}

const nothingHappened = async (): Promise<void> => expect((await mesh.status()).version).toBe(versionBefore);

describe('an event', () => {
  it.each([
    ['is no JSON', 'certainly { not JSON', 'NotAnEvent', /send one event as a JSON object/],
    ['is no event', { hello: 'world' }, 'NotAnEvent', /send one event as a JSON object/],
    ['is of an unknown kind', { ...requested('k-1', {}), type: 'Contoso.Cake.Baked' }, 'UnknownEventType', /Contoso\.Cake\.Baked/],
    ['lacks what it is about', requested('k-2', { version: 'v2' }), 'MalformedData', /data\.service/],
    ['is of a newer CloudEvents', { ...requested('k-3', {}), specversion: '2.0' }, 'UnsupportedSpecVersion', /"1\.0"/],
    [
      'means a service nobody has',
      requested('k-4', { service: 'nobody', version: 'v2' }),
      'FitsNoService',
      /No adopted spec waits for nobody v2/,
    ],
  ])('that %s is parked with what is wrong, and its sender told', async (_what, body, reason, sentence) => {
    const answer = await post('/events', body);
    expectProblem(answer, 422, reason, sentence);
    const { parked: id } = z.object({ parked: z.string() }).parse(answer.body);
    expect((await parked()).find((each) => each.id === id)).toMatchObject({ door: 'events', reason });
    await nothingHappened();
  });

  it('of more than 1 MiB is refused, and nothing of it kept', async () => {
    const before = await parked();
    const answer = await post('/events', requested('big', { service: 'catalog', version: 'v2', padding: 'x'.repeat(ONE_MIB) }));
    expectProblem(answer, 413, 'BodyTooLarge', /1048576 bytes/);
    expect(await parked()).toEqual(before);
    await nothingHappened();
  });

  it.each(['/events', '/alerts', '/apply', '/observations'])('that is nested without end is refused: POST %s', async (path) => {
    for (const open of ['[', '{"a":']) {
      const body = open.repeat(150_000);
      const answer = await post(path, open === '[' ? `${body}${']'.repeat(150_000)}` : `${body}1${'}'.repeat(150_000)}`);
      expect([400, 422], JSON.stringify(answer.body)).toContain(answer.status);
    }
    await nothingHappened();
  });

  it('that is large but allowed is parked in part', async () => {
    const answer = await post('/events', { ...requested('large', { padding: 'x'.repeat(ONE_MIB - 1_000) }), type: 'Contoso.Cake.Baked' });
    expectProblem(answer, 422, 'UnknownEventType', /Contoso/);
    const { parked: id } = z.object({ parked: z.string() }).parse(answer.body);
    const one = await mesh.call('GET', `/parked/${id}`);
    const kept = z.object({ bytes: z.number(), text: z.string() }).parse(one.body);
    expect(kept.bytes).toBeGreaterThan(ONE_MIB - 1_000);
    expect(kept.text).toHaveLength(64 * 1024);
    expect(JSON.stringify(await parked())).not.toContain('xxxx');
    expectProblem(await mesh.call('GET', '/parked/nobody'), 404, 'UnknownDelivery', /GET \/parked/);
    expectProblem(await mesh.call('GET', '/parked?limit=none'), 400, 'NotAPage', /limit/);
  });

  it('given twice is one effect with the same answer, over either door', async () => {
    const event = requested('twice', { service: 'catalog', version: 'v2' });
    const first = await post('/events', event);
    const { version } = await mesh.status();
    const second = await post('/events', event);
    expect(first).toMatchObject({ status: 202, body: { answers: [{ outcome: 'accepted', repeated: false }] } });
    expect(second).toMatchObject({ status: 202, body: { answers: [{ outcome: 'accepted', repeated: true }] } });
    expect(await fromEventGrid(event)).toMatchObject({ status: 202 });
    expect((await mesh.status()).version).toBe(version);
    expect((await mesh.events()).filter((type) => type === 'RolloutStarted')).toHaveLength(1);
    expect(await post('/meshes/shop/services/catalog/rollout/abort', {})).toMatchObject({ status: 200 });
  });
});

describe('what Event Grid delivers', () => {
  const wrong = {
    id: 'grid-1',
    subject: '',
    eventType: 'Contoso.Cake.Baked',
    eventTime: '2026-11-22T14:03:00Z',
    dataVersion: '1',
    data: {},
  };

  it('is thanked for when it cannot be acted on, and parked', async () => {
    expect(await fromEventGrid(wrong)).toMatchObject({ status: 202 });
    expect((await parked()).filter(({ message }) => message.includes('Contoso.Cake.Baked'))).not.toEqual([]);
    await nothingHappened();
  });

  it('is parked once however often it comes', async () => {
    await fromEventGrid({ ...wrong, id: 'grid-2' });
    const before = await parked();
    await fromEventGrid({ ...wrong, id: 'grid-2' });
    expect(await parked()).toHaveLength(before.length);
  });

  it('is not looked at without the key of the endpoint', async () => {
    const stranger = { 'aeg-event-type': 'Notification', authorization: '' };
    const good = requested('grid-stranger', { service: 'catalog', version: 'v4' });
    expectProblem(await post(EVENT_GRID, [good], stranger), 401, 'NotAuthenticated', /\?code=/);
    await nothingHappened();
  });

  it('holds up no good event beside it', async () => {
    const good = requested('grid-3', { service: 'catalog', version: 'v3' });
    expect(await post(EVENT_GRID, [wrong, good], { 'aeg-event-type': 'Notification' })).toMatchObject({ status: 202 });
    expect((await mesh.status()).rollout?.candidate).toBe('v3');
    await post('/meshes/shop/services/catalog/rollout/abort', {});
  });

  it('is refused when it is no JSON or too large: Event Grid sends neither', async () => {
    const headers = { 'aeg-event-type': 'Notification' };
    expect(await post(EVENT_GRID, 'not JSON', headers)).toMatchObject({ status: 400, body: { reason: 'MalformedJson' } });
    expect(await post(EVENT_GRID, 'x'.repeat(ONE_MIB + 1), headers)).toMatchObject({ status: 413 });
    await nothingHappened();
  });
});

describe('an alert', () => {
  it.each([
    ['is no JSON', 'fire!', 'NotACommonAlert', /common alert schema/],
    ['is in another schema', { schemaId: 'AzureMonitorMetricAlert', data: {} }, 'NotACommonAlert', /common alert schema/],
    ['speaks for no service', payloadOf(newAlert(), 'Fired', 'something-else'), 'FitsNoService', /something-else fits no service/],
  ])('that %s is parked with what is wrong, and its sender told', async (_what, body, reason, sentence) => {
    const answer = await post('/alerts', body);
    expectProblem(answer, 422, reason, sentence);
    const { parked: id } = z.object({ parked: z.string() }).parse(answer.body);
    expect((await parked()).find((each) => each.id === id)).toMatchObject({ door: 'alerts', reason });
    await nothingHappened();
  });

  it('of more than 1 MiB is refused', async () => {
    expectProblem(await post('/alerts', { padding: 'x'.repeat(ONE_MIB) }), 413, 'BodyTooLarge', /1048576 bytes/);
    await nothingHappened();
  });
});

describe('a spec', () => {
  const meshFile = {
    path: 'mesh.yaml',
    text: 'apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ndataPlanes:\n  - { name: edge, kind: envoy }\n',
  };
  const service = (name: string, rest: string) => ({
    path: `${name}.yaml`,
    text: `apiVersion: meshwright.dev/v1\nkind: Service\nname: ${name}\n${rest}\n`,
  });

  it('that is wrong in one place is refused whole, with file, line and field', async () => {
    const files = [meshFile, service('catalog', 'port: 8080'), service('cart', 'port: 8080\ntimeout: soon')];
    const answer = await post('/apply', { files });
    expectProblem(answer, 422, 'SpecRefused', /Nothing was changed/);
    expect(answer.body).toMatchObject({ problems: [{ file: 'cart.yaml', line: 5, field: 'timeout' }] });
    await nothingHappened();
    expect(await mesh.call('GET', '/meshes/shop/services/cart')).toMatchObject({ status: 404 });
  });

  it('that is no YAML, of an unknown kind or for a mesh that cannot be reached is refused', async () => {
    for (const files of [
      [meshFile, { path: 'broken.yaml', text: 'a: [1, 2' }],
      [meshFile, { path: 'other.yaml', text: 'apiVersion: meshwright.dev/v1\nkind: Toaster\nname: t\n' }],
      [{ ...meshFile, text: meshFile.text.replace('kind: envoy', 'kind: istio') }, service('catalog', 'port: 8080')],
    ]) {
      expectProblem(await post('/apply', { files }), 422, 'SpecRefused', /Nothing was changed/);
    }
    await nothingHappened();
  });

  it('that is no list of files, or larger than 1 MiB, is refused', async () => {
    expectProblem(await post('/apply', 'not JSON'), 400, 'NotASpec', /files/);
    expectProblem(await post('/apply', { files: [] }), 400, 'NotASpec', /files/);
    const files = [meshFile, { path: 'big.yaml', text: `# ${'x'.repeat(ONE_MIB)}` }];
    expectProblem(await post('/apply', { files }), 413, 'BodyTooLarge', /1048576 bytes/);
    await nothingHappened();
  });
});

describe('one idempotency key', () => {
  const key = { 'idempotency-key': 'one-and-the-same' };
  const ask = (path: string, body: unknown = {}): Promise<Answer> => post(`/meshes/shop/services/catalog/rollout${path}`, body, key);

  it('for two versions is two requests, and for one version one', async () => {
    expect(await ask('', { version: 'v20' })).toMatchObject({ status: 202, body: { answers: [{ outcome: 'accepted', repeated: false }] } });
    expect(await ask('', { version: 'v20' })).toMatchObject({ body: { answers: [{ outcome: 'accepted', repeated: true }] } });
    expect(await ask('', { version: 'v21' })).toMatchObject({ body: { answers: [{ outcome: 'accepted', repeated: false }] } });
    expect((await mesh.status()).rollout?.candidate).toBe('v21');
    const otherArtifact = await ask('', { version: 'v21', digest: 'sha256:b' });
    expect(otherArtifact).toMatchObject({ body: { answers: [{ repeated: false }] } });
  });

  it('for two actions is two requests: what is to be aborted is aborted', async () => {
    // Nothing can be paused before it has traffic, and that refusal must not be the answer of the abort.
    expect(await ask('/pause')).toMatchObject({ status: 409, body: { reason: 'NotBegun' } });
    expect(await ask('/abort')).toMatchObject({ status: 200, body: { outcome: 'accepted', repeated: false } });
    expect(await ask('/abort')).toMatchObject({ status: 200, body: { outcome: 'accepted', repeated: true } });
    expect((await mesh.status()).rollout).toBeNull();
    expect(await ask('/abort', { force: true })).toMatchObject({ status: 409, body: { reason: 'NoRollout' } });
  });
});

describe('half a character', () => {
  it('in what a person says is kept as U+FFFD: it is no reason to fail for ever', async () => {
    expect(await post('/events', requested('half', { service: 'catalog', version: 'v8' }))).toMatchObject({ status: 202 });
    expect(await post('/meshes/shop/services/catalog/rollout/abort', { reason: 'too slow \ud800' })).toMatchObject({ status: 200 });
    const journal = await mesh.call('GET', '/meshes/shop/services/catalog/journal?limit=1000');
    expect(JSON.stringify(journal.body)).toContain('too slow \ufffd');
  });
});

describe('who asks', () => {
  const writes = [
    ['/events', requested('w-1', { service: 'catalog', version: 'v9' })],
    ['/alerts', payloadOf(newAlert(), 'Fired')],
    ['/apply', { files: [] }],
    ['/observations', { mesh: 'shop', services: ['catalog'] }],
    ['/meshes/shop/services/catalog/rollout', { version: 'v9' }],
    ['/meshes/shop/services/catalog/rollout/abort', {}],
  ] as const;

  it.each(writes)('needs the token to write to %s', async (path, body) => {
    for (const authorization of ['', 'Bearer wrong', `Basic ${mesh.token}`, `Bearer ${mesh.nodeToken}`]) {
      expect(await post(path, body, { authorization })).toMatchObject({ status: 401, body: { reason: 'NotAuthenticated' } });
    }
    await nothingHappened();
  });

  it('needs none to read', async () => {
    for (const path of ['/health', '/status', '/overview', '/parked', '/meshes/shop/services/catalog', '/meshes/shop/journal']) {
      expect(await mesh.call('GET', path, undefined, { authorization: '' })).toMatchObject({ status: 200 });
    }
  });

  it('is no page of another site: a foreign Host or Origin is turned away, token or not', async () => {
    const foreign = { host: `evil.example:${mesh.ports.functions}` };
    expect(await statusOf('GET', '/status', foreign)).toBe(403);
    expect(await statusOf('POST', '/events', foreign)).toBe(403);
    expect(await statusOf('GET', '/status', { origin: 'http://evil.example' })).toBe(403);
    expect(await statusOf('POST', '/events', { origin: 'http://evil.example' })).toBe(403);
    expect(await statusOf('GET', '/status', { origin: `http://127.0.0.1:${mesh.ports.functions}` })).toBe(200);
    await nothingHappened();
  });

  /** `fetch` sets Host and Origin by itself. */
  function statusOf(method: string, path: string, headers: Readonly<Record<string, string>>): Promise<number> {
    return new Promise((resolve, reject) => {
      const call = request(
        { host: '127.0.0.1', port: mesh.ports.functions, method, path, headers: { authorization: `Bearer ${mesh.token}`, ...headers } },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      );
      call.on('error', reject);
      call.end();
    });
  }
});
