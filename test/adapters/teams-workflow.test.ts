/** The channel against a real HTTP server that behaves like a Teams workflow, or like the connectors before it. */
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type TeamsWorkflow, teamsChannel } from '../../src/adapters/teams-workflow.ts';
import type { Notice } from '../../src/notifications/channel.ts';

const SECRET = 'sig-of-the-webhook';
const notice: Notice = {
  id: 'shop/catalog/7',
  mesh: 'shop',
  service: 'catalog',
  topic: 'returned',
  at: 0,
  data: { version: 'v2', weight: 0, stable: 'v1', text: 'The alert catalog 5xx fired.' },
};

const messageSchema = z.object({
  type: z.literal('message'),
  attachments: z.tuple([
    z.object({
      contentType: z.literal('application/vnd.microsoft.card.adaptive'),
      contentUrl: z.null(),
      content: z.looseObject({ type: z.literal('AdaptiveCard'), version: z.literal('1.4') }),
    }),
  ]),
});

interface Scripted {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

let server: Server;
let sockets: Set<Socket>;
let port: number;
let time: number;
/** What the next requests are answered; a request it is not told of is taken, as a workflow takes it. */
let script: (Scripted | 'silence' | 'hang up')[];
let taken: { path: string; card: string; at: number }[];

beforeEach(async () => {
  script = [];
  taken = [];
  sockets = new Set();
  time = Date.parse('2026-11-22T14:03:20Z');
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const next = script.shift();
    if (next === 'silence') return;
    if (next === 'hang up') {
      request.socket.destroy();
      return;
    }
    if (next) {
      response.writeHead(next.status, next.headers).end(next.body);
      return;
    }
    const message = messageSchema.safeParse(JSON.parse(Buffer.concat(chunks).toString()));
    const type = request.headers['content-type'];
    if (request.method !== 'POST' || type !== 'application/json' || !message.success) {
      response.writeHead(400).end();
      return;
    }
    taken.push({ path: request.url ?? '', card: JSON.stringify(message.data.attachments[0].content), at: time });
    response.writeHead(202).end();
  });
  server.on('connection', (socket) => sockets.add(socket));
  port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

const webhook = () => `http://127.0.0.1:${port}/workflows/7/triggers/manual/paths/invoke?sig=${SECRET}`;
const channel = (options: Partial<TeamsWorkflow> = {}) => teamsChannel({ url: webhook(), now: () => time, loopback: true, ...options });
const throttledInside = {
  status: 200,
  body: 'Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId tcid=0,server=DB3.',
};

describe('a Teams workflow', () => {
  it('takes the card at the whole address, with a link to the page', async () => {
    expect(await channel({ baseUrl: 'https://mesh.example.com/' }).send(notice)).toEqual({ kind: 'sent' });
    expect(taken).toHaveLength(1);
    expect(taken[0]?.path).toBe(new URL(webhook()).pathname + new URL(webhook()).search);
    expect(taken[0]?.card).toContain('v2 of catalog is taken back');
    expect(taken[0]?.card).toContain('"url":"https://mesh.example.com/#shop/catalog"');
  });

  it('takes a card that an older connector answered with 200 and "1"', async () => {
    script = [{ status: 200, body: '1' }];
    expect(await channel().send(notice)).toEqual({ kind: 'sent' });
  });

  it.each([
    ['a 429', { status: 429, headers: { 'retry-after': '17' } }, 17_000],
    ['a 429 with a date', { status: 429, headers: { 'retry-after': 'Sun, 22 Nov 2026 14:03:50 GMT' } }, 30_000],
    ['a 429 with a time long past', { status: 429, headers: { 'retry-after': 'Sun, 22 Nov 2020 14:03:50 GMT' } }, 1_000],
    ['a 429 with no time', { status: 429 }, 10_000],
    ['a 429 with a time that is none', { status: 429, headers: { 'retry-after': 'soon' } }, 10_000],
    ['a 429 with next year', { status: 429, headers: { 'retry-after': '31536000' } }, 3_600_000],
    ['a 429 inside a 200', throttledInside, 10_000],
    ['a 429 inside a 200 with a time', { ...throttledInside, headers: { 'retry-after': '5' } }, 5_000],
  ])('throttles with %s: the card waits, and so does every other', async (_name, answer, afterMs) => {
    script = [answer];
    const teams = channel();
    expect(await teams.send(notice)).toMatchObject({ kind: 'later', afterMs });
    time += afterMs - 1;
    expect(await teams.send(notice)).toMatchObject({ kind: 'later', afterMs: 1 });
    expect(taken).toEqual([]);
    time += 1;
    expect(await teams.send(notice)).toEqual({ kind: 'sent' });
  });

  it('is asked again at growing intervals when it fails, until it takes a card', async () => {
    const teams = channel();
    const waits: number[] = [];
    const fail = async (answer: (typeof script)[number]) => {
      script = [answer];
      const sent = await teams.send(notice);
      if (sent.kind === 'later') waits.push(sent.afterMs);
      time += 600_000;
    };
    for (const status of [500, 502, 503, 504, 408]) await fail({ status });
    await fail('hang up');
    expect(waits).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 64_000]);
    for (let more = 0; more < 4; more += 1) await fail({ status: 503 });
    expect(waits.at(-1)).toBe(300_000);
    expect(await teams.send(notice)).toEqual({ kind: 'sent' });
    await fail({ status: 503 });
    expect(waits.at(-1)).toBe(2_000);
  });

  it('counts what fails at the same time as one failure, and waits longer where it says so', async () => {
    script = [{ status: 503 }, { status: 503 }, { status: 503 }];
    const teams = channel();
    const sent = await Promise.all([1, 2, 3].map(() => teams.send(notice)));
    expect(sent.map((each) => each.kind === 'later' && each.afterMs)).toEqual([2_000, 2_000, 2_000]);
    time += 60_000;
    script = [{ status: 503, headers: { 'retry-after': '120' } }];
    expect(await teams.send(notice)).toMatchObject({ kind: 'later', afterMs: 120_000 });
  });

  it('is not waited for beyond the time-out', async () => {
    script = ['silence'];
    const sent = await channel({ timeoutMs: 30 }).send(notice);
    expect(sent).toEqual({ kind: 'later', afterMs: 2_000, error: 'The Teams webhook could not be reached (no answer in time).' });
  });

  it.each([
    [400, 'begin with "When a Teams webhook request is received"'],
    [401, 'set its trigger to "Anyone"'],
    [403, 'set its trigger to "Anyone"'],
    [404, 'There is no Teams workflow at this address'],
    [410, 'There is no Teams workflow at this address'],
    [413, 'too large'],
    [418, 'look at its run history'],
  ])('that answers %i is not asked again, and a sentence says what to do', async (status, advice) => {
    script = [{ status, body: `the address was ${webhook()}` }];
    const sent = await channel().send(notice);
    expect(sent).toMatchObject({ kind: 'refused', error: expect.stringContaining(advice) });
    expect(sent).toMatchObject({ error: expect.stringMatching(/^[A-Z].*\.$/) });
  });

  it('is not followed elsewhere', async () => {
    script = [{ status: 307, headers: { location: `http://127.0.0.1:${port}/elsewhere` } }];
    expect(await channel().send(notice)).toMatchObject({
      kind: 'refused',
      error: expect.stringContaining('points to another address (307)'),
    });
    expect(taken).toEqual([]);
  });

  it.each([
    'http://prod-1.westeurope.logic.azure.com/hook',
    'https://prod-1.westeurope.logic.azure.com:8443/hook',
    'https://kim:secret@prod-1.westeurope.logic.azure.com/hook',
    'https://logic.azure.com.example.com/hook',
    'https://evil-logic.azure.com/hook',
    'https://.logic.azure.com/hook',
    'https://example.com/hook',
    'https://169.254.169.254/metadata/identity',
    'https://[::1]/hook',
    'https://localhost/hook',
    'not an address',
  ])('gets no card where no workflow is: %s', async (url) => {
    const resolve = () => Promise.reject(new Error('it was asked'));
    const error = 'The Teams webhook is no https address of a Teams workflow: copy it from the workflow once more.';
    expect(await channel({ url, loopback: false, resolve }).send(notice)).toEqual({ kind: 'refused', error });
  });

  it('gets no card on this machine unless that is allowed', async () => {
    expect(await channel({ loopback: false }).send(notice)).toMatchObject({ kind: 'refused' });
    expect(taken).toEqual([]);
  });

  it('gets no card where its name leads into a network that only this app can reach', async () => {
    const url = 'https://prod-1.westeurope.logic.azure.com/workflows/x';
    const resolve = async () => [{ address: '10.0.0.4', family: 4 }];
    expect(await channel({ url, resolve }).send(notice)).toEqual({
      kind: 'refused',
      error: 'The Teams webhook leads to an address that is not public, where nothing is sent to.',
    });
  });

  it('keeps its address secret, whatever goes wrong', async () => {
    const answers: unknown[] = [];
    for (const answer of [400, 401, 403, 404, 413, 429, 500].map((status) => ({ status, body: webhook() }))) {
      script = [answer];
      answers.push(await channel().send(notice));
    }
    script = ['hang up'];
    answers.push(await channel().send(notice));
    answers.push(
      await channel({
        url: webhook().replace('127.0.0.1', 'localhost'),
        resolve: () => Promise.reject(new TypeError(`no address of ${webhook()}`)),
      }).send(notice),
    );
    answers.push(await channel({ url: `https://[${SECRET}` }).send(notice));
    expect(JSON.stringify(answers)).not.toMatch(new RegExp(`${SECRET}|127\\.0\\.0\\.1|workflows`));
  });

  it('never gets more than four cards in a second, and those that wait come one after another', async () => {
    const teams = channel();
    const wakeAt = Array.from({ length: 40 }, () => time);
    const begun = time;
    let laters = 0;
    while (wakeAt.length > 0) {
      wakeAt.sort((a, b) => a - b);
      time = wakeAt.shift() ?? time;
      const sent = await teams.send(notice);
      if (sent.kind === 'later') {
        laters += 1;
        wakeAt.push(time + sent.afterMs);
      }
    }
    expect(taken).toHaveLength(40);
    for (const { at } of taken) expect(taken.filter((other) => other.at >= at && other.at < at + 1_000).length).toBeLessThanOrEqual(4);
    // Nobody is turned away again and again, and no second is wasted.
    expect(laters).toBeLessThanOrEqual(40);
    expect(time - begun).toBeLessThanOrEqual(10_000);
  });

  it('takes cards again after the clock was set back', async () => {
    const teams = channel();
    for (let sent = 0; sent < 5; sent += 1) await teams.send(notice);
    time -= 7_200_000;
    expect(await teams.send(notice)).toEqual({ kind: 'sent' });
  });
});
