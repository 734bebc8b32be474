/** What the command line shows, and how it says that it cannot: status, journal, addresses, tokens, usage. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { json, problem } from '../../src/api/problem.ts';
import { tokensFor } from '../../src/cli/token.ts';
import { type Api, specFiles, TOKEN } from './api-server.ts';
import { type CliAtApi, startCliAtApi } from './cli-at-api.ts';
import { runCli, spawnCli } from './run-cli.ts';

let api: Api;
let directory: string;
let cli: CliAtApi['cli'];
let close: CliAtApi['close'];

beforeEach(async () => {
  ({ api, directory, cli, close } = await startCliAtApi());
  await api.app.apply(specFiles('shop', ['catalog', 'search']), { actor: 'test' });
});
afterEach(() => close());

describe('status', () => {
  it('is an aligned table of weights, phases and what ends them', async () => {
    await cli('deploy', 'catalog', 'v2');
    const { code, out } = await cli('status');
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      'SERVICE       TRAFFIC           ROLLOUT',
      expect.stringMatching(/^shop\/catalog {2}v1 90 %, v2 10 % {2}v2 holding, step 1 of 3; goes on in (1 h|59 min.*)$/),
      'shop/search   v1 100 %          -',
    ]);
  });

  it('says why a version was taken back', async () => {
    await cli('deploy', 'catalog', 'v2');
    await cli('abort', 'catalog', '--reason', 'too slow');
    expect((await cli('status')).out).toMatch(/v2 taken back \d+ s ago: too slow/);
  });

  it('is JSON for scripts, of one mesh where asked', async () => {
    await api.app.apply(specFiles('bank', ['ledger']), { actor: 'test' });
    const status = z.object({ now: z.number(), services: z.array(z.looseObject({ service: z.string(), stable: z.string() })) });
    const servicesIn = async (...args: string[]) =>
      status.parse(JSON.parse((await cli('status', '--json', ...args)).out)).services.map(({ service }) => service);
    expect(await servicesIn()).toEqual(['ledger', 'catalog', 'search']);
    expect(await servicesIn('--mesh', 'bank')).toEqual(['ledger']);
    expect(await cli('status', '--mesh', 'banc')).toEqual({ code: 1, out: '', err: 'There is no mesh banc; there is bank, shop.' });
  });

  it('follows with --watch, also while nothing answers', async () => {
    const child = spawnCli(['status', '--watch'], { directory, environment: { MESHWRIGHT_URL: api.url, MESHWRIGHT_TOKEN: TOKEN } });
    try {
      let seen = '';
      child.stdout.setEncoding('utf8');
      const until = async (expected: string) => {
        while (!seen.includes(expected)) {
          const [chunk] = await Promise.race([
            new Promise<[string]>((resolve) => child.stdout.once('data', (data: string) => resolve([data]))),
            new Promise<never>((_resolve, reject) => child.once('exit', () => reject(new Error(`It ended; until then: ${seen}`)))),
          ]);
          seen += chunk;
        }
      };
      await until('shop/catalog  v1 100 %');
      await cli('deploy', 'catalog', 'v2');
      await until('v1 90 %, v2 10 %');
      await api.close();
      await until(`No meshwright answers at ${api.url}; start one with \`npm start\`. Trying again each second.`);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('shows no control characters of others to the terminal', async () => {
    const [first] = await api.app.status();
    api.override = json(200, { now: 0, services: [{ ...first, split: [{ version: 'v1\u001b[2J\u009b', weight: 100 }] }] });
    expect((await cli('status')).out).toContain('v1\uFFFD[2J\uFFFD 100 %');
  });
});

describe('journal', () => {
  it('tells when, who, what and why, the newest last', async () => {
    await cli('deploy', 'catalog', 'v2');
    await cli('alert', 'catalog', '--rule', 'catalog 5xx');
    const { out } = await cli('journal', 'catalog');
    expect(out).toMatch(/\d\d:\d\d:\d\d UTC {2}local token +v2 is being rolled out\./);
    expect(out).toMatch(/UTC {2}alert catalog 5xx +The alert catalog 5xx takes v2 back\.\n {20,}catalog 5xx fired: /);
    const commits = z.object({ commits: z.array(z.looseObject({ message: z.string() })) });
    const newest = commits.parse(JSON.parse((await cli('journal', 'catalog', '--limit', '1', '--json')).out)).commits;
    const all = await api.app.history('shop', 'catalog', 0, 100);
    expect(newest.map(({ message }) => message)).toEqual([all.at(-1)?.message]);
  });

  it('asks which mesh is meant only where several have the service', async () => {
    await api.app.apply(specFiles('bank', ['catalog']), { actor: 'test' });
    expect(await cli('journal', 'catalog')).toEqual({ code: 2, out: '', err: 'catalog is in bank, shop; say which with --mesh.' });
    expect((await cli('journal', 'catalog', '--mesh', 'bank')).code).toBe(0);
    expect(await cli('journal', 'cart')).toEqual({
      code: 1,
      out: '',
      err: 'There is no service cart in any mesh; there is catalog, search.',
    });
  });
});

describe('where it asks', () => {
  const run = (args: string[], environment: Record<string, string> = {}) => runCli(args, { directory, environment });

  it('is told by --url, before MESHWRIGHT_URL', async () => {
    expect((await run(['status', '--url', `${api.url}/`], { MESHWRIGHT_URL: 'http://127.0.0.1:1' })).code).toBe(0);
    const message = 'The address of meshwright must be one of the web, such as http://localhost:7071, without a name or password.';
    for (const url of ['localhost:7071', 'http://me:secret@localhost']) {
      expect(await run(['--url', url, 'status'])).toEqual({ code: 2, out: '', err: message });
    }
  });

  it('has nobody: one sentence says how to start one', async () => {
    await api.close();
    const err = `No meshwright answers at ${api.url}; start one with \`npm start\`.`;
    expect(await run(['status'], { MESHWRIGHT_URL: api.url })).toEqual({ code: 1, out: '', err });
  });

  it.each([
    ['another program', { status: 200, headers: {}, body: '<html>' }, 'its answer to status is not understood'],
    ['another API', json(200, { services: 'many' }), 'its answer to status is not understood'],
    ['a failing proxy', { status: 502, headers: {}, body: '<html>' }, 'it answers status with 502'],
    ['a redirect', { status: 302, headers: { location: '/elsewhere' }, body: '' }, 'it answers status with 302'],
  ])('has %s: it says so', async (_name, answer, sentence) => {
    api.override = answer;
    const { code, out, err } = await cli('status');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(sentence);
    expect(err.split('\n')).toHaveLength(1);
    expect(api.asked).toHaveLength(1);
  });

  it('has an API that refuses: its own sentence is shown', async () => {
    api.override = problem(503, 'TemporaryFault', 'This could not be done just now.');
    expect(await cli('status')).toEqual({ code: 1, out: '', err: 'This could not be done just now.' });
  });
});

describe('the token', () => {
  const deploy = (environment: Record<string, string> = {}, from = directory) =>
    runCli(['deploy', 'catalog', 'v2'], { directory: from, environment: { MESHWRIGHT_URL: api.url, ...environment } });
  const below = async () => {
    const deep = join(directory, 'a/b');
    await mkdir(deep, { recursive: true });
    await mkdir(join(directory, '.meshwright'));
    await writeFile(join(directory, '.meshwright/token'), `${TOKEN}\n`, { mode: 0o600 });
    return deep;
  };

  it('is needed to change something', async () => {
    expect(await deploy()).toMatchObject({ code: 1, out: '', err: expect.stringContaining('Send the token') });
    expect(await deploy({ MESHWRIGHT_TOKEN: 'another' })).toMatchObject({ code: 1 });
    expect(await deploy({ MESHWRIGHT_TOKEN: TOKEN })).toMatchObject({ code: 0 });
    expect(api.asked.at(-1)?.headers).toMatchObject({ authorization: `Bearer ${TOKEN}` });
  });

  it('is found in the nearest .meshwright above', async () => {
    expect(await deploy({}, await below())).toMatchObject({ code: 0 });
  });

  it('is not used from a file that others can read', async () => {
    const deep = await below();
    await chmod(join(directory, '.meshwright/token'), 0o644);
    expect(await deploy({}, deep)).toMatchObject({ code: 1, err: expect.stringContaining('can be read by others') });
    expect(api.asked).toEqual([]);
  });

  it('of this machine goes to this machine only, and no token goes anywhere in the clear', async () => {
    const workingDirectory = await below();
    const at = (url: string, environment: Record<string, string> = {}) =>
      tokensFor(new URL(url), { environment, workingDirectory, now: Date.now }, undefined)();
    expect(await at('http://localhost:7071')).toBe(TOKEN);
    expect(await at('https://mesh.example.com')).toBeUndefined();
    expect(await at('https://mesh.example.com', { MESHWRIGHT_TOKEN: 'theirs' })).toBe('theirs');
    await expect(at('http://mesh.example.com', { MESHWRIGHT_TOKEN: 'theirs' })).rejects.toThrow('in the clear; use https.');
    const ofAzure = tokensFor(new URL('http://mesh.example.com'), { environment: {}, workingDirectory, now: Date.now }, 'api://meshwright');
    await expect(ofAzure()).rejects.toThrow('in the clear; use https.');
  });
});

describe('parked', () => {
  const strange = (id: number) => ({
    specversion: '1.0',
    id: `${id}`,
    source: '/ci',
    type: 'Contoso.Cake.Baked',
    time: '2026-11-22T14:03:00Z',
  });

  it('lists all there is, page by page, and shows of one what came', async () => {
    expect(await cli('parked')).toEqual({ code: 0, out: 'Nothing is parked.', err: '' });
    for (let id = 1; id <= 5; id += 1) await api.app.receiveEvent(strange(id));
    const lines = (await cli('parked')).out.split('\n');
    expect(lines).toHaveLength(5);
    const { parked } = z.object({ parked: z.array(z.object({ id: z.string() })) }).parse(JSON.parse((await cli('parked', '--json')).out));
    expect(parked.map(({ id }) => id)).toEqual(lines.map((line) => line.split('  ')[2]));
    const came = await Promise.all(parked.map(async ({ id }) => JSON.parse((await cli('parked', id)).out)));
    expect(came.toSorted((a, b) => a.id - b.id)).toEqual([1, 2, 3, 4, 5].map(strange));
    expect(JSON.parse((await cli('parked', parked[0]?.id ?? '', '--json')).out)).toMatchObject({
      door: 'events',
      text: expect.any(String),
    });
  });

  it('says so where nothing is parked under an id', async () => {
    const { code, out, err } = await cli('parked', 'nobody');
    expect({ code, out, err }).toEqual({ code: 1, out: '', err: 'Nothing is parked under this id; GET /parked lists what is.' });
  });
});

describe('the command line', () => {
  it.each([
    [['deploy', 'catalog'], "missing required argument 'version'"],
    [['dploy', 'catalog', 'v2'], "unknown command 'dploy'"],
    [['status', '--jsn'], "unknown option '--jsn'"],
    [['journal', 'catalog', '--limit', 'many'], 'Give a whole number from 1 to 1000.'],
    [['schema', 'Mash'], 'Allowed choices are Mesh, Service.'],
  ])('is refused with exit code 2 where it is not understood: %j', async (args, sentence) => {
    const { code, out, err } = await cli(...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(sentence);
    expect(api.asked).toEqual([]);
  });

  it('helps when asked', async () => {
    const { code, out } = await cli('--help');
    expect(code).toBe(0);
    for (const command of ['status', 'deploy', 'alert', 'pause', 'abort', 'apply', 'journal', 'parked', 'event', 'envoy', 'schema']) {
      expect(out).toMatch(new RegExp(`^ {2}${command}\\b`, 'm'));
    }
  });
});
