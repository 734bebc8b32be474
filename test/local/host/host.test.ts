/**
 * The local host with a real app, over real HTTP, in a process of its own: once with the app's files as they are, once
 * bundled as for Azure (esbuild, ES modules, split, with a `require` made from the module's URL).
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { bundleApp } from './bundle-app.ts';
import { type Report, type ServedApp, startServedApp } from './served-app.ts';

// Child processes start slowly on a busy machine; nothing here is about time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const FIXTURES = join(import.meta.dirname, 'fixtures');
const ENTRIES = '{http,events,hooks}.ts';

const logged = (functionName: string, text: string) => (report: Report) =>
  report.is === 'log' && report.functionName === functionName && report.message.includes(text) ? report.message : undefined;

/** A request as a browser or a foreign client could send it, which `fetch` does not let one do. */
function rawRequest(url: string, headers: Record<string, string>): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, body }));
    });
    sent.on('error', reject).end();
  });
}

const post = (served: ServedApp, path: string, headers: Record<string, string>, body: string) =>
  fetch(served.url + path, { method: 'POST', headers, body });
const events = (
  served: ServedApp,
  body: unknown,
  headers: Record<string, string> = { 'aeg-event-type': 'Notification' },
  name = 'deployments',
) => post(served, `/runtime/webhooks/EventGrid?functionName=${name}`, headers, JSON.stringify(body));

describe.each(['as it is', 'bundled'])('an app, %s', (form) => {
  let directory: string;
  let served: ServedApp;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'meshwright-host-'));
    if (form === 'bundled') await bundleApp(join(FIXTURES, 'app'), ['http', 'events', 'hooks'], directory);
    served = form === 'bundled' ? await startServedApp(directory, 'functions/*.js') : await startServedApp(join(FIXTURES, 'app'), ENTRIES);
  });
  afterAll(async () => {
    await served?.end();
    await rm(directory, { recursive: true });
  });

  it('is registered whole', () => {
    expect(served.registrations.map(({ name, triggerType }) => [name, triggerType]).sort()).toEqual([
      ['alarms', 'queueTrigger'],
      ['deployments', 'eventGridTrigger'],
      ['failing', 'httpTrigger'],
      ['hooked', 'httpTrigger'],
      ['nothing', 'httpTrigger'],
      ['page', 'httpTrigger'],
      ['poisoned', 'queueTrigger'],
      ['service', 'httpTrigger'],
      ['slow', 'httpTrigger'],
      ['slowAlarm', 'queueTrigger'],
      ['sweep', 'timerTrigger'],
    ]);
  });

  describe('over HTTP', () => {
    it('gets parameters, query, headers and body, and answers with status, headers and JSON', async () => {
      const answer = await post(served, '/services/demo/3?at=14%3A03&tag=a&tag=b', { 'x-sent': 'yes' }, 'héllo');
      expect(answer.status).toBe(201);
      expect(answer.headers.get('x-seen')).toBe('yes');
      expect(answer.headers.get('content-type')).toBe('application/json');
      expect(await answer.json()).toEqual({
        method: 'POST',
        url: `${served.url}/services/demo/3?at=14%3A03&tag=a&tag=b`,
        params: { mesh: 'demo', version: '3' },
        query: { at: '14:03', tag: 'a,b' },
        body: 'héllo',
      });
    });

    it('serves the root, and HEAD without the body but with its length', async () => {
      expect(await (await fetch(served.url)).text()).toBe('the page');
      const head = await fetch(served.url, { method: 'HEAD' });
      expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '8', '']);
      expect((await fetch(`${served.url}/hooked`, { method: 'HEAD' })).status).toBe(405);
    });

    it('that returns nothing answers 204', async () => {
      const answer = await fetch(`${served.url}/nothing`, { method: 'PUT' });
      expect([answer.status, await answer.text()]).toEqual([204, '']);
    });

    it('answers with a problem what it does not serve', async () => {
      const unknown = await fetch(`${served.url}/services/demo/three`);
      expect(unknown.headers.get('content-type')).toBe('application/problem+json');
      expect(await unknown.json()).toEqual({
        type: 'about:blank',
        title: 'Not Found',
        status: 404,
        detail: expect.stringContaining('/services/demo/three'),
        reason: 'UnknownRoute',
      });
      const wrong = await fetch(`${served.url}/services/demo/3`, { method: 'DELETE' });
      expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, POST']);
      expect(await wrong.json()).toMatchObject({ status: 405, reason: 'MethodNotAllowed' });
    });

    it('answers 500 without what was thrown, and logs it with its stack', async () => {
      const answer = await fetch(`${served.url}/failing`);
      const body = await answer.text();
      expect([answer.status, answer.headers.get('content-type')]).toEqual([500, 'application/problem+json']);
      expect(JSON.parse(body)).toMatchObject({ status: 500, reason: 'FunctionFailed' });
      expect(body).not.toContain('secret');
      expect(await served.until(logged('failing', 'secret of the failing function'))).toMatch(/\n +at /);
    });

    it('refuses a body over 1 MiB before the function runs, with its length told or not', async () => {
      const limit = 1024 * 1024;
      expect((await post(served, '/services/demo/3', {}, 'x'.repeat(limit))).status).toBe(201);
      const declared = await post(served, '/services/demo/3', {}, 'x'.repeat(limit + 1));
      expect([declared.status, declared.headers.get('content-type')]).toEqual([413, 'application/problem+json']);
      const chunks = new ReadableStream({
        start(controller) {
          for (let index = 0; index < 33; index += 1) controller.enqueue(new Uint8Array(limit / 32));
          controller.close();
        },
      });
      const streamed = await fetch(`${served.url}/services/demo/3`, { method: 'POST', body: chunks, duplex: 'half' });
      expect(await streamed.json()).toMatchObject({ status: 413, reason: 'BodyTooLarge' });
    });

    it('answers only to its own names and its own pages', async () => {
      const { port } = new URL(served.url);
      const statusOf = async (headers: Record<string, string>) => (await rawRequest(served.url, headers)).status;
      expect(await statusOf({ host: `localhost:${port}` })).toBe(200);
      expect(await statusOf({ host: `[::1]:${port}` })).toBe(200);
      expect(await statusOf({ host: `localhost:${port}`, origin: `http://localhost:${port}` })).toBe(200);
      for (const host of ['evil.example', `evil.example:${port}`, 'localhost', 'localhost:1']) expect(await statusOf({ host })).toBe(403);
      for (const origin of ['https://evil.example', 'null', `https://localhost:${port}`, 'http://localhost:1']) {
        expect(await statusOf({ host: `localhost:${port}`, origin })).toBe(403);
      }
      expect(JSON.parse((await rawRequest(served.url, { host: 'evil.example' })).body)).toMatchObject({ reason: 'UnknownHost' });
    });
  });

  it('has its hooks run: they replace inputs, result, error and log messages', async () => {
    const answer = await fetch(`${served.url}/hooked`);
    expect([answer.status, await answer.text()]).toEqual([200, 'started: input was replaced by a hook, mended by a hook']);
    expect(await served.until(logged('hooked', 'the password is'))).toBe('the password is ***');
  });

  describe('with Event Grid', () => {
    it('runs once an event, in both schemas', async () => {
      const batch = [
        { id: 'eg-1', eventType: 'X', subject: 's', data: {} },
        { id: 'eg-2', eventType: 'X', subject: 's', data: {} },
      ];
      expect((await events(served, batch)).status).toBe(202);
      const headers = { 'aeg-event-type': 'Notification', 'content-type': 'application/cloudevents+json' };
      expect(
        (await events(served, { specversion: '1.0', id: 'ce-1', source: '/ci', type: 'X', data: { image: 'catalog:v2' } }, headers)).status,
      ).toBe(202);
      for (const id of ['eg-1', 'eg-2', 'ce-1']) expect(await served.until(logged('deployments', `"id":"${id}"`))).toContain('"data":{');
    });

    it('answers 500 when one event of a batch fails, and the others have run', async () => {
      const answer = await events(served, [
        { id: 'bad', data: { fail: true } },
        { id: 'good', data: {} },
      ]);
      expect(answer.status).toBe(500);
      expect(await answer.json()).toMatchObject({ reason: 'FunctionFailed', detail: expect.stringContaining('1 of 2') });
      await served.until(logged('deployments', '"id":"good"'));
    });

    it('is validated as a subscriber, in both ways', async () => {
      const validation = [{ id: '1', data: { validationCode: 'the-code' } }];
      const answer = await events(served, validation, { 'aeg-event-type': 'SubscriptionValidation' });
      expect([answer.status, await answer.json()]).toEqual([200, { validationResponse: 'the-code' }]);
      const handshake = await fetch(`${served.url}/runtime/webhooks/eventgrid?functionName=deployments`, {
        method: 'OPTIONS',
        headers: { 'webhook-request-origin': 'eventgrid.azure.net' },
      });
      expect([handshake.status, handshake.headers.get('webhook-allowed-origin')]).toEqual([200, 'eventgrid.azure.net']);
    });

    it('refuses what is no event, too large, or for a function that is none', async () => {
      expect(
        (await post(served, '/runtime/webhooks/EventGrid?functionName=deployments', { 'aeg-event-type': 'Notification' }, '{')).status,
      ).toBe(400);
      expect((await events(served, [{ id: 'x'.repeat(1024 * 1024) }])).status).toBe(413);
      expect((await events(served, [], { 'aeg-event-type': 'Notification' }, 'sweep')).status).toBe(404);
      expect((await fetch(`${served.url}/runtime/webhooks/EventGrid?functionName=deployments`)).status).toBe(405);
    });
  });

  it('is given queue messages with their metadata; a poisoned one ends in the poison queue', async () => {
    served.send({ do: 'enqueue', queue: 'alarms', text: '{"stream":"service/demo/catalog"}', hiddenForMs: 20 });
    const seen = JSON.parse(await served.until(logged('alarms', 'service/demo/catalog')));
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$/);
    expect(seen).toEqual({
      entry: { stream: 'service/demo/catalog' },
      metadata: {
        id: expect.any(String),
        dequeueCount: 1,
        popReceipt: expect.any(String),
        insertionTime: time,
        expirationTime: time,
        nextVisibleTime: time,
        queueTrigger: { stream: 'service/demo/catalog' },
      },
    });
    served.send({ do: 'enqueue', queue: 'alarms', text: 'poison', hiddenForMs: 0 });
    await served.until(logged('poisoned', '{"poisoned":"poison"}'));
    const tries = served.reports.map(logged('alarms', '"entry":"poison"')).filter((message) => message !== undefined);
    expect(tries.map((message) => JSON.parse(message).metadata.dequeueCount)).toEqual([1, 2, 3]);
  });

  it('has its timer run at the start, with camelCase keys', async () => {
    expect(JSON.parse(await served.until(logged('sweep', 'timer')))).toEqual({
      timer: {
        isPastDue: false,
        schedule: { adjustForDST: true },
        scheduleStatus: {
          last: '0001-01-01T00:00:00+00:00',
          next: expect.stringMatching(/-01-01T00:00:00.000Z$/),
          lastUpdated: expect.any(String),
        },
      },
    });
  });
});

async function refusesConnections(url: string): Promise<void> {
  while (
    await fetch(url, { headers: { connection: 'close' } }).then(
      () => true,
      () => false,
    )
  )
    await setImmediate();
}

/** An app of its own for one test. */
async function serve(...app: Parameters<typeof startServedApp>): Promise<ServedApp> {
  const served = await startServedApp(...app);
  onTestFinished(served.end);
  return served;
}

describe('a host that is stopped', () => {
  it('lets what runs finish, takes nothing new, and ends with its hooks', async () => {
    const served = await serve(join(FIXTURES, 'app'), ENTRIES);
    const slow = fetch(`${served.url}/slow`);
    await served.until(logged('slow', 'slow began'));
    const half = request(`${served.url}/services/demo/3`, { method: 'POST', headers: { 'content-length': '4', expect: '100-continue' } });
    half.flushHeaders();
    await once(half, 'continue');
    served.send({ do: 'stop', withinMs: 60_000 });
    await refusesConnections(served.url);

    half.end('late');
    const [late] = await once(half, 'response');
    late.resume();
    expect(late.statusCode).toBe(503);
    expect(served.reports.some(({ is }) => is === 'stopped')).toBe(false);
    served.release();
    expect(await (await slow).text()).toBe('slow ended');
    expect(await served.until((report) => (report.is === 'stopped' ? report.unfinished : undefined))).toEqual([]);
    await served.until((report) => (report.is === 'log' && report.message.includes('asked to fail at the end') ? report : undefined));
  });

  it('waits for a queue function too', async () => {
    const served = await serve(join(FIXTURES, 'app'), ENTRIES);
    served.send({ do: 'enqueue', queue: 'slow', text: 'go', hiddenForMs: 0 });
    await served.until(logged('slowAlarm', 'slow began'));
    served.send({ do: 'stop', withinMs: 60_000 });
    await refusesConnections(served.url);
    served.release();
    expect(await served.until((report) => (report.is === 'stopped' ? report.unfinished : undefined))).toEqual([]);
    await served.until(logged('slowAlarm', 'slow ended'));
  });

  it('names what did not finish within the bound', async () => {
    const served = await serve(join(FIXTURES, 'app'), ENTRIES);
    const slow = fetch(`${served.url}/slow`).then(
      () => 'answered',
      () => 'cut',
    );
    await served.until(logged('slow', 'slow began'));
    served.send({ do: 'stop', withinMs: 1 });
    expect(await served.until((report) => (report.is === 'stopped' ? report.unfinished : undefined))).toEqual(['slow']);
    expect(await slow).toBe('cut');
  });
});
