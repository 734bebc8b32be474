/** The page as it is served: its own script, run on a small document against a real HTTP server, from source and from a bundle. */
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { page } from '../../src/dashboard/page.ts';
import type { Overview } from '../../src/status.ts';
import { SmallDocument } from './small-document.ts';

const now = Date.parse('2026-11-22T14:03:20Z');
const canary: Overview['services'][number] = {
  mesh: 'shop',
  service: 'catalog',
  version: 9,
  stable: 'v1',
  split: [
    { version: 'v1', weight: 90 },
    { version: 'v2', weight: 10 },
  ],
  rollout: {
    candidate: 'v2',
    phase: 'holding',
    step: 1,
    steps: 3,
    startedAt: now - 60_000,
    deadline: { name: 'hold', at: now + 42_000 },
    because: null,
  },
  queued: null,
  rejected: [{ release: 'v0', at: now - 7_200_000, because: 'The alert catalog 5xx fired.' }],
  drift: [{ dataPlane: 'west', since: now - 120_000, differences: ['VirtualService shop/catalog is gone.'], more: 1 }],
  unobserved: ['west'],
  shadow: [
    { dataPlane: 'west', since: now - 7_200_000, refused: 12, callers: [{ caller: 'spiffe://a/web', refused: 7 }], unseen: 'no answer' },
  ],
  pending: [{ what: 'serve vms', since: now - 3_000, error: 'no answer' }],
};
const [OLD, NEW] = ['a'.repeat(64), 'b'.repeat(64)];
const root = {
  kind: 'root',
  name: 'shop-root',
  notBefore: now,
  daysLeft: 30,
  dueAt: null,
  standing: 'good',
  imported: false,
} as const;
const workload = {
  dataPlane: 'edge',
  kind: 'proxy',
  identity: null,
  standing: 'good',
  left: false,
  seenAt: now - 2_000,
  trouble: null,
} as const;
const rotating: Overview['trust'][number] = {
  mesh: 'shop',
  version: 7,
  rotation: {
    id: 'r5',
    cause: 'due',
    startedAt: now - 60_000,
    startedBy: 'kim',
    phase: { name: 'issuing', since: now - 5_000 },
    approvals: {},
    heldBy: '1 of 2 are behind: edge/web-2.',
    mustLeaveBy: now + 7_200_000,
  },
  ended: [],
  inventory: {
    at: now,
    trustDomain: 'shop.example',
    rotateBy: now,
    lastStart: now,
    certificates: [
      { ...root, role: 'current', fingerprint: OLD, notAfter: now + 30 * 86_400_000 },
      { ...root, role: 'next', fingerprint: NEW, notAfter: now + 300 * 86_400_000 },
    ],
    workloads: [
      {
        ...workload,
        id: 'edge/web-1',
        trusts: [
          { fingerprint: OLD, role: 'current' },
          { fingerprint: NEW, role: 'next' },
        ],
        presents: { issuer: NEW, under: 'next', notAfter: now + 600_000, daysLeft: 0 },
      },
      { ...workload, id: 'edge/web-2', trusts: [{ fingerprint: OLD, role: 'current' }], presents: null, trouble: 'not believed' },
      { ...workload, id: 'edge/web-3', trusts: [], presents: null, left: true },
    ],
    roots: [],
    unseen: [{ dataPlane: 'west', because: 'no answer' }],
  },
  pending: [{ what: 'trust west', since: now - 3_000, error: 'no answer' }],
};
const commit: Overview['journal'][number] = {
  stream: 'service/shop/catalog',
  version: 9,
  schema: 1,
  at: now - 90_000,
  deliveryId: 'd',
  actor: 'alert catalog 5xx',
  evidence: { summary: 'requests/failed was 31' },
  events: [],
  message: 'The alert catalog 5xx takes v0 back.',
  prevHash: '',
  hash: '',
};

let server: Server;
let base: string;
let overview: (Overview & { now: number }) | 'away';
let asked: string[];

beforeEach(async () => {
  overview = { now, services: [canary], trust: [rotating], journal: [commit] };
  asked = [];
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (overview === 'away') response.writeHead(503).end();
    else response.setHeader('content-type', 'application/json').end(JSON.stringify(overview));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  base = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const scriptOf = (html: string) => /<script>(.*)<\/script>/s.exec(html)?.[1] ?? '';

/** Loads the page and gives each look at the overview as a step. */
function open(html: string, location = { search: '', hash: '' }) {
  const document = new SmallDocument(html);
  const due: (() => void)[] = [];
  let wake: () => void = () => {};
  let looked = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const setTimeout = (next: () => void, ms: number) => {
    expect(ms).toBe(1_000);
    due.push(next);
    wake();
  };
  const relativeFetch = (path: string, options: RequestInit) => fetch(new URL(path, base), options);
  runInContext(scriptOf(html), createContext({ document, location, fetch: relativeFetch, AbortSignal, setTimeout }));
  return {
    document,
    textOf: (id: string) => document.getElementById(id)?.textContent ?? '',
    looked: () => looked,
    async lookAgain() {
      looked = new Promise<void>((resolve) => {
        wake = resolve;
      });
      due.shift()?.();
      await looked;
    },
  };
}

/** A bundle in which the page's functions meet others of their names. */
const COLLIDING = `
export * as before from 'data:text/javascript,export function poll() { return 1; } export function element() { return 2; }';
export { page } from './src/dashboard/page.ts';
`;

async function bundledHtml(): Promise<string> {
  const bundle = await build({
    stdin: { contents: COLLIDING, resolveDir: process.cwd() },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node22',
  });
  const text = bundle.outputFiles[0]?.text ?? '';
  expect(text).toContain('async function poll2(');
  const module: unknown = await import(`data:text/javascript,${encodeURIComponent(text)}`);
  const { page: bundled } = z.object({ page: z.function({ output: z.object({ body: z.string() }) }) }).parse(module);
  return bundled().body;
}

describe.each([
  ['from source', async () => page().body],
  ['from a bundle', bundledHtml],
])('the page %s', (_name, html) => {
  it('shows each version with its share, the phase with its countdown, and what is owed', async () => {
    const { document, looked, textOf } = open(await html());
    await looked();
    const shares = document.body.find('share').map((share) => [share.getAttribute('class'), share.textContent]);
    expect(shares).toEqual([
      ['share stable', 'v190 %'],
      ['share candidate', 'v210 %'],
    ]);
    expect(document.body.find('fill').map((bar) => bar.getAttribute('width'))).toEqual(['90', '10']);
    expect(textOf('services')).toContain('v2 is holding, step 1 of 3, goes on in 42 s');
    expect(textOf('services')).toContain('Owed for 3 s: serve vms (no answer)');
    expect(textOf('services')).toContain('west drifted 2 min ago: VirtualService shop/catalog is gone. And 1 more.');
    expect(textOf('services')).toContain('Observed: no on west; what was applied counts.');
    expect(textOf('services')).toContain(
      'In shadow on west for 2 h: 12 requests would have been refused, 7 of spiffe://a/web. It is not seen now: no answer',
    );
    expect(textOf('services')).toContain('v0 was taken back 2 h ago: The alert catalog 5xx fired.');
    expect(textOf('connection')).toBe('Live');
  });
});

describe('the page', () => {
  it('shows the journal: when, where, who, what and why', async () => {
    const { document, looked } = open(page().body);
    await looked();
    const cells = document.body.find('commit').map((row) => row.children.map((cell) => cell.textContent));
    expect(cells).toEqual([
      ['1 min 30 s ago', 'shop/catalog', 'alert catalog 5xx', 'The alert catalog 5xx takes v0 back.', 'requests/failed was 31'],
    ]);
  });

  it('shows the phases of a rotation, who trusts what and who is behind', async () => {
    const { document, looked, textOf } = open(page().body);
    await looked();
    expect(document.body.find('under-way').map(({ textContent }) => textContent)).toEqual(['issuing']);
    expect(document.body.find('done').map(({ textContent }) => textContent)).toEqual(['preparing', 'distributing']);
    const rows = document.body.find('workload').map((row) => [row.getAttribute('class'), ...row.children.map((cell) => cell.textContent)]);
    expect(rows).toEqual([
      ['workload', 'edge/web-1', 'trusts current + new', 'leaf under new, 10 min left', 'seen 2 s ago'],
      ['workload alarming', 'edge/web-2', 'trusts current', 'no leaf', 'not believed'],
    ]);
    expect(textOf('trust')).toContain('Held: 1 of 2 are behind: edge/web-2.');
    expect(textOf('trust')).toContain('It must go on within 2 h.');
    expect(textOf('trust')).toContain('west is not seen: no answer');
    expect(textOf('trust')).toContain('Owed for 3 s: trust west (no answer)');
  });

  it('writes only what differs, and follows what changes', async () => {
    const { document, looked, lookAgain, textOf } = open(page().body);
    await looked();
    const before = document.writes;
    await lookAgain();
    expect(document.writes).toBe(before);
    overview = {
      now: now + 1_000,
      services: [{ ...canary, split: [{ version: 'v1', weight: 100 }], rollout: null }],
      trust: [],
      journal: [],
    };
    await lookAgain();
    expect(document.body.find('share').map((share) => share.textContent)).toEqual(['v1100 %']);
    expect(textOf('services')).toContain('v1 is stable; nothing is being rolled out.');
    expect(textOf('services')).not.toContain('holding');
    expect(document.body.find('commit')).toEqual([]);
  });

  it('says that the connection is lost, keeps what it has, and recovers', async () => {
    const { looked, lookAgain, textOf } = open(page().body);
    await looked();
    overview = 'away';
    await lookAgain();
    expect(textOf('connection')).toBe('Connection lost: the server answers 503. What you see may be old; trying again each second.');
    expect(textOf('services')).toContain('catalog in shop');
    overview = { now, services: [], trust: [], journal: [] };
    await lookAgain();
    expect(textOf('connection')).toBe('Live');
    expect(textOf('services')).toContain('No spec is adopted yet.');
  });

  it('says so when nothing answers at all', async () => {
    await new Promise((resolve) => server.close(resolve));
    const { looked, textOf } = open(page().body);
    await looked();
    expect(textOf('connection')).toContain('Connection lost: the server does not answer.');
  });

  it('shows names as text, whatever they are', async () => {
    const evil = '<img src=x onerror=alert(1)>';
    overview = {
      now,
      services: [{ ...canary, split: [{ version: evil, weight: 100 }] }],
      trust: [],
      journal: [{ ...commit, message: evil }],
    };
    const { document, looked, textOf } = open(page().body);
    await looked();
    expect(textOf('services')).toContain(evil);
    expect(textOf('journal')).toContain(evil);
    expect(new Set(document.body.all().map(({ tagName }) => tagName))).not.toContain('img');
    expect(scriptOf(page().body)).not.toMatch(/innerHTML|insertAdjacentHTML|document\.write|eval/);
  });

  it('asks nothing while nobody sees it, and hands on nothing of its own address', async () => {
    const { document, looked, lookAgain } = open(page().body, { search: '?code=k', hash: '' });
    await looked();
    document.hidden = true;
    await lookAgain();
    document.hidden = false;
    await lookAgain();
    expect(asked).toEqual(['/overview', '/overview']);
  });

  it('goes to the service that a link names, once', async () => {
    const { document, looked, lookAgain } = open(page().body, { search: '', hash: '#shop/catalog' });
    await looked();
    expect(document.scrolledTo).toBe('shop/catalog');
    document.scrolledTo = '';
    await lookAgain();
    expect(document.scrolledTo).toBe('');
  });

  it('may run only its own script and style, and needs nothing from elsewhere', () => {
    const { body, headers } = page();
    const policy = headers['content-security-policy'] ?? '';
    const hash = (text: string | undefined) =>
      `'sha256-${createHash('sha256')
        .update(text ?? '')
        .digest('base64')}'`;
    const blocks = [...body.matchAll(/<(script|style)>(.*?)<\/\1>/gs)];
    expect(blocks.map(([, tag]) => tag)).toEqual(['style', 'script']);
    for (const [, tag, text] of blocks) expect(policy).toContain(`${tag}-src ${hash(text)}`);
    expect(policy).toContain("default-src 'none'");
    expect(body).not.toMatch(/https?:\/\/(?!www\.w3\.org)|\sstyle="|\son\w+="/);
  });
});
