/** Signing in from the page: the script as it is served, at an authorization server that checks what RFC 6749 and RFC 7636 have it check. */
import { createHash, webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { text } from 'node:stream/consumers';
import { createContext, runInContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { page } from '../../src/dashboard/page.ts';
import type { SignIn } from '../../src/dashboard/sign-in.ts';
import { SmallDocument } from './small-document.ts';

const CLIENT = '5a1e7c44-93ad-4f52-8b57-0f4f9d1c2b3a';
const OVERVIEW = { now: 0, services: [], trust: [], journal: [] };

let server: Server;
let base: string;
let signIn: SignIn;
/** What somebody was sent to sign in with, by the code that they came back with. */
let asked: Map<string, URLSearchParams>;
let overviews: (string | undefined)[];

beforeEach(async () => {
  asked = new Map();
  overviews = [];
  server = createServer(async (request, response) => {
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.url === '/overview') {
      overviews.push(request.headers.authorization);
      return answer(200, OVERVIEW);
    }
    const form = new URLSearchParams(await text(request));
    const begun = asked.get(form.get('code') ?? '');
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    const isSame = ['client_id', 'redirect_uri'].every((name) => form.get(name) === begun?.get(name));
    if (form.get('grant_type') !== 'authorization_code' || !isSame || begun?.get('code_challenge') !== challenge)
      return answer(400, { error: 'invalid_grant' });
    asked.delete(form.get('code') ?? '');
    return answer(200, { access_token: 'the-token', token_type: 'Bearer' });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  base = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  signIn = { authorize: `${base}/authorize`, token: `${base}/token`, clientId: CLIENT };
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** Of one tab: what outlives the page in it. */
const tab = () => {
  const kept = new Map<string, string>();
  return {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => void kept.set(name, value),
    removeItem: (name: string) => void kept.delete(name),
  };
};

/** Loads the page at an address and waits for its first look at the overview. */
async function open(sessionStorage: ReturnType<typeof tab>, hash = '') {
  const document = new SmallDocument(page(signIn).body);
  let gone: (address: string) => void = () => {};
  const left = new Promise<URL>((resolve) => {
    gone = (address) => resolve(new URL(address));
  });
  const location = { origin: 'https://mesh.example', pathname: '/', hash, assign: (address: string) => gone(address) };
  const history = { replaceState: (_state: unknown, _title: string, address: string) => (location.hash = address.slice(1)) };
  const script = /<script>(.*)<\/script>/s.exec(page(signIn).body)?.[1] ?? '';
  const relativeFetch = (path: string, options: RequestInit) => fetch(new URL(path, `${base}/`), options);
  await new Promise<void>((looked) => {
    const globals = { document, location, history, sessionStorage, fetch: relativeFetch, AbortSignal, URLSearchParams, TextEncoder, btoa };
    runInContext(script, createContext({ ...globals, crypto: webcrypto, Uint8Array, setTimeout: () => looked() }));
  });
  return {
    location,
    said: () => document.getElementById('connection')?.textContent ?? '',
    /** Where signing in leads to, and with what. */
    async signIn() {
      document.getElementById('sign-in')?.click();
      const to = await left;
      asked.set('the-code', to.searchParams);
      return to;
    },
  };
}

describe('the page, where callers are of Entra ID', () => {
  it('asks for nothing before somebody has signed in, and says so', async () => {
    const { said } = await open(tab());
    expect(said()).toMatch(/sign in/);
    expect(overviews).toEqual([]);
  });

  it('is who signed in, and where they were', async () => {
    const memory = tab();
    const to = await (await open(memory, '#shop/catalog')).signIn();
    expect(`${to.origin}${to.pathname}`).toBe(signIn.authorize);
    expect(Object.fromEntries(to.searchParams)).toMatchObject({
      client_id: CLIENT,
      response_type: 'code',
      redirect_uri: 'https://mesh.example/',
      scope: `${CLIENT}/.default`,
      code_challenge_method: 'S256',
    });
    const back = await open(memory, `#code=the-code&state=${to.searchParams.get('state')}`);
    expect(back.said()).toBe('Live');
    expect(overviews).toEqual(['Bearer the-token']);
    expect(back.location.hash).toBe('#shop/catalog');
    expect(memory.getItem('sign-in')).toBeNull();
  });

  it.each<[string, (state: string | null) => string]>([
    ['with another state', () => '#code=the-code&state=theirs'],
    ['without one', () => '#code=the-code'],
    ['with an empty one', () => '#code=the-code&state='],
  ])('lets nobody be signed in by an answer %s', async (_what, hash) => {
    const memory = tab();
    const to = await (await open(memory)).signIn();
    const back = await open(memory, hash(to.searchParams.get('state')));
    expect(back.said()).toMatch(/sign in/);
    expect(asked.has('the-code')).toBe(true);
    expect(overviews).toEqual([]);
  });

  it('takes no answer that this tab did not ask for', async () => {
    const to = await (await open(tab())).signIn();
    const back = await open(tab(), `#code=the-code&state=${to.searchParams.get('state')}`);
    expect(back.said()).toMatch(/sign in/);
    expect(asked.has('the-code')).toBe(true);
  });

  it('says so where Entra ID lets nobody in', async () => {
    const memory = tab();
    const to = await (await open(memory)).signIn();
    const back = await open(memory, `#error=access_denied&state=${to.searchParams.get('state')}`);
    expect(back.said()).toMatch(/let nobody in \(access_denied\)/);
  });

  it('may ask its own server and the one that gives tokens, and no other', () => {
    const policy = page(signIn).headers['content-security-policy'] ?? '';
    expect(policy).toContain(`connect-src 'self' ${base};`);
    const script = /<script>(.*)<\/script>/s.exec(page(signIn).body)?.[1] ?? '';
    expect(policy).toContain(`script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'`);
    expect(page().headers['content-security-policy']).toContain("connect-src 'self';");
    expect(page().body).not.toContain('id="sign-in"');
  });
});
