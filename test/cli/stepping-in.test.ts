/** What people ask for on the command line, against a real app over real HTTP: deploy, alert, step in, apply, send events. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, specFiles, TOKEN } from './api-server.ts';
import { type CliAtApi, startCliAtApi } from './cli-at-api.ts';
import { type Ran, runCli } from './run-cli.ts';

let api: Api;
let directory: string;
let cli: CliAtApi['cli'];
let close: CliAtApi['close'];

beforeAll(async () => {
  ({ api, directory, cli, close } = await startCliAtApi());
  await api.app.apply(specFiles('shop', ['cart', 'catalog', 'orders', 'search', 'stock']), { actor: 'test' });
  await api.app.apply(specFiles('twin', ['stock']), { actor: 'test' });
});
afterAll(() => close());

const said = (out: string): Ran => ({ code: 0, out, err: '' });
const refused = (err: string): Ran => ({ code: 1, out: '', err });
const splitOf = async (service: string) =>
  (await api.app.service('shop', service))?.split.map(({ version, weight }) => `${version} ${weight}`);

describe('deploy and alert', () => {
  it('start a rollout, take it back, and try it again only if someone insists', async () => {
    expect(await cli('deploy', 'catalog', 'v2')).toEqual(said('v2 is being rolled out.'));
    expect(await splitOf('catalog')).toEqual(['v1 90', 'v2 10']);

    const alert = await cli('alert', 'catalog', '--rule', 'catalog 5xx');
    expect(alert).toEqual(said('The alert catalog 5xx takes v2 back.'));
    expect((await splitOf('catalog'))?.[0]).toBe('v1 100');

    expect(await cli('deploy', 'catalog', 'v2')).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/^v2 was taken back: .*again/),
    });
    // The alert still stands, so that it waits; its end is found in the journal and lets it begin.
    expect(await cli('deploy', 'catalog', 'v2', '--again')).toMatchObject({ code: 0, out: expect.stringContaining('waits') });
    const other = 'The alert "latency" of catalog is not firing; see `meshwright journal catalog`.';
    expect(await cli('alert', 'catalog', '--rule', 'latency', '--resolved')).toEqual(refused(other));
    expect(await cli('alert', 'catalog', '--rule', 'catalog 5xx', '--resolved')).toEqual(said('The alert catalog 5xx has ended.'));
    expect(await splitOf('catalog')).toEqual(['v1 90', 'v2 10']);
    const none = 'The alert "catalog 5xx" of catalog is not firing; see `meshwright journal catalog`.';
    expect(await cli('alert', 'catalog', '--rule', 'catalog 5xx', '--resolved')).toEqual(refused(none));
  });

  it('pass on which artifact is meant', async () => {
    await cli('deploy', 'search', 'v1', '--digest', 'sha256:1');
    expect(api.asked.at(-1)?.body).toEqual({ version: 'v1', digest: 'sha256:1' });
  });
});

describe('pause, resume, promote and abort', () => {
  it('do what they say, with the reason in the journal', async () => {
    await cli('deploy', 'orders', 'v2');
    expect(await cli('pause', 'orders', '--reason', 'looking at latency')).toMatchObject({
      code: 0,
      out: expect.stringContaining('v2 stays'),
    });
    expect((await api.app.service('shop', 'orders'))?.rollout?.phase).toBe('paused');
    expect(JSON.stringify(await api.app.history('shop', 'orders', 0, 100))).toContain('looking at latency');
    expect(await cli('resume', 'orders')).toEqual(said('v2 goes on.'));
    expect(await cli('abort', 'orders', '--reason', 'too slow')).toEqual(said('v2 is taken back.'));
    await cli('deploy', 'orders', 'v3');
    expect(await cli('promote', 'orders')).toEqual(said('v3 gets all traffic.'));
    expect(await splitOf('orders')).toEqual(['v3 100']);
  });

  it('are refused in one sentence where there is nothing to step into', async () => {
    for (const action of ['pause', 'resume', 'promote', 'abort']) {
      expect(await cli(action, 'search'), action).toEqual(refused('Nothing is being rolled out.'));
    }
  });

  it('take a version back onto one that is known to be down only by force', async () => {
    await cli('deploy', 'cart', 'v2');
    api.readiness.v1 = 'none';
    try {
      expect(await cli('abort', 'cart')).toMatchObject({ code: 0, out: expect.stringContaining('known to have no ready endpoint') });
      expect(await splitOf('cart')).toEqual(['v1 90', 'v2 10']);
      expect(await cli('abort', 'cart', '--force')).toEqual(said('v2 is taken back.'));
      expect((await splitOf('cart'))?.[0]).toBe('v1 100');
    } finally {
      api.readiness.v1 = 'ready';
    }
  });
});

describe('apply', () => {
  it('adopts every file of a folder, and only the spec in it', async () => {
    const folder = join(directory, 'spec');
    await mkdir(join(folder, 'teams/.hidden'), { recursive: true });
    const [mesh, service] = specFiles('bank', ['ledger']);
    await writeFile(join(folder, 'mesh.yaml'), mesh?.text ?? '');
    await writeFile(join(folder, 'teams/ledger.yml'), service?.text ?? '');
    await writeFile(join(folder, 'teams/.hidden/broken.yaml'), 'kind: [');
    await writeFile(join(folder, 'README.md'), 'no spec');
    expect(await cli('apply', 'spec')).toEqual(said('The spec is adopted: 1 added, 0 changed, 0 removed.'));
    expect(await cli('apply', 'spec')).toEqual(said('This spec is adopted already; nothing changes.'));
    expect((await api.app.meshes()).map((adopted) => adopted.mesh)).toContain('bank');
  });

  it('lists what is wrong as file, line and field, and changes nothing', async () => {
    const folder = join(directory, 'wrong');
    await mkdir(folder);
    const [mesh, service] = specFiles('mill', ['flour']);
    await writeFile(join(folder, 'mesh.yaml'), mesh?.text ?? '');
    await writeFile(join(folder, 'flour.yaml'), (service?.text ?? '').replace('port: 8080', 'port: none'));
    const { code, out, err } = await cli('apply', 'wrong');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^Nothing was changed; mend what "problems" lists and apply again\.\nwrong\/flour\.yaml:4:\d+: port: \S/);
    expect((await api.app.meshes()).map((adopted) => adopted.mesh)).not.toContain('mill');
  });

  it('says so when there is no spec', async () => {
    await mkdir(join(directory, 'empty'));
    expect(await cli('apply', 'empty')).toEqual(refused('There is no .yaml or .yml file in empty; a spec is written in those.'));
    expect(await cli('apply', 'nowhere')).toEqual({ code: 2, out: '', err: 'There is no folder or file nowhere.' });
  });
});

describe('event', () => {
  const event = {
    specversion: '1.0',
    id: '1',
    source: '/ci',
    type: 'Meshwright.Deployment.Requested',
    data: { service: 'search', version: 'v2' },
  };

  it('sends a file, or what comes in', async () => {
    await writeFile(join(directory, 'event.json'), JSON.stringify(event));
    expect(await cli('event', 'event.json')).toEqual(said('v2 is being rolled out.'));
    const input = JSON.stringify({ ...event, id: '2', type: 'Microsoft.ContainerRegistry.ImageDeleted' });
    const environment = { MESHWRIGHT_URL: api.url, MESHWRIGHT_TOKEN: TOKEN };
    expect(await runCli(['event', '-'], { directory, environment, input })).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^Nothing is done: .*brings no new version/),
    });
  });

  it('that one mesh takes and another refuses did not do what it was sent for', async () => {
    await cli('deploy', 'stock', 'v2', '--mesh', 'shop');
    await cli('abort', 'stock', '--mesh', 'shop');
    await writeFile(join(directory, 'both.json'), JSON.stringify({ ...event, id: '4', data: { service: 'stock', version: 'v2' } }));
    const ran = await cli('event', 'both.json');
    expect(ran).toMatchObject({ code: 1, out: 'v2 is being rolled out.', err: expect.stringMatching(/^v2 was taken back/) });
  });

  it('that fits nothing is refused, and parked', async () => {
    await writeFile(join(directory, 'strange.json'), JSON.stringify({ ...event, id: '3', data: { service: 'nobody', version: 'v2' } }));
    expect(await cli('event', 'strange.json')).toEqual(refused('No adopted spec waits for nobody v2.'));
    expect(await cli('parked')).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC {2}events {2}[\da-f]{64} {2}FitsNoService: No adopted spec waits for nobody v2\.$/,
      ),
    });
  });

  it('that is no JSON, or no file, is not sent', async () => {
    await writeFile(join(directory, 'text.json'), 'hello');
    expect(await cli('event', 'text.json')).toEqual(refused('text.json is not JSON; send one CloudEvents or Event Grid event.'));
    expect(await cli('event', 'absent.json')).toEqual({ code: 2, out: '', err: 'absent.json cannot be read.' });
  });
});
