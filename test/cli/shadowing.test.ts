/** `meshwright shadow` and `meshwright apply --accept-refusals`: who would be refused, and going on all the same. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Api } from './api-server.ts';
import { type CliAtApi, startCliAtApi } from './cli-at-api.ts';

let api: Api;
let directory: string;
let cli: CliAtApi['cli'];
let close: CliAtApi['close'];

async function write(stage: string): Promise<void> {
  const head = 'apiVersion: meshwright.dev/v1\n';
  const mesh = `${head}kind: Mesh\nname: shop\ntrustDomain: shop.example\ndataPlanes: [{ name: west, kind: istio }]\n`;
  const allow = 'allow: [{ from: [{ namespace: shop, serviceAccount: web }] }]';
  const service = `${head}kind: Service\nname: catalog\nport: 8080\nstable: v1\nrollout: canary\nserviceAccount: catalog\nmtls: ${stage}\n${allow}\n`;
  await Promise.all([writeFile(join(directory, 'mesh.yaml'), mesh), writeFile(join(directory, 'catalog.yaml'), service)]);
}

beforeEach(async () => {
  ({ api, directory, cli, close } = await startCliAtApi());
  await write('shadow');
  expect(await cli('apply', directory)).toMatchObject({ code: 0, err: '' });
});
afterEach(() => close());

describe('shadow', () => {
  it('says that nobody would be refused', async () => {
    expect(await cli('shadow', 'catalog')).toEqual({
      code: 0,
      err: '',
      out: expect.stringMatching(/^west {2}would have refused 0 in \d+ s$/),
    });
  });

  it('says how many, by which proxies, and exits 4 while that keeps the service back', async () => {
    api.wouldRefuse = 12;
    const { code, out, err } = await cli('shadow', 'catalog');
    expect(code).toBe(4);
    expect(out).toMatch(/^west {2}would have refused 12 in \d+ s\n {2}catalog-1.shop {2}12, last seen \d+ s ago$/);
    expect(err).toContain('name their callers in `allow`');
    expect((await cli('status')).out).toMatch(/in shadow on west for \d+ s: would have refused 12$/m);
    expect(JSON.parse((await cli('shadow', 'catalog', '--json')).out)).toMatchObject({ shadow: [{ dataPlane: 'west', refused: 12 }] });
  });

  it('says whose they are, where callers are told apart', async () => {
    api.wouldRefuse = 12;
    api.callers = [
      { caller: 'spiffe://shop.example/ns/shop/sa/old', wouldRefuse: 8 },
      { caller: 'no identity, from 10.0.0.7', wouldRefuse: 3 },
    ];
    const { out, err } = await cli('shadow', 'catalog');
    expect(out.split('\n').slice(1, 4)).toEqual([
      expect.stringMatching(/^ {2}called by no identity, from 10\.0\.0\.7 {2}3, last seen \d+ s ago$/),
      expect.stringMatching(/^ {2}called by spiffe:\/\/shop\.example\/ns\/shop\/sa\/old {2}8, last seen \d+ s ago$/),
      '  called by others  1',
    ]);
    expect(err).toContain(
      'of no identity, from 10.0.0.7, spiffe://shop.example/ns/shop/sa/old, by catalog-1.shop: name those that may call',
    );
    expect((await cli('status')).out).toContain(
      'would have refused 12, 3 of no identity, from 10.0.0.7, 8 of spiffe://shop.example/ns/shop/sa/old',
    );
  });
});

describe('apply', () => {
  it('keeps a service back that would refuse calls, unless told to accept that', async () => {
    api.wouldRefuse = 12;
    await write('strict');
    const kept = await cli('apply', directory);
    expect(kept.code).toBe(1);
    expect(kept.err).toMatch(/catalog\.yaml:8:\d+.*mtls.*catalog would have refused 12 requests on west/);
    expect(await cli('apply', directory, '--accept-refusals')).toMatchObject({ code: 0, err: '' });
    expect((await cli('shadow', 'catalog')).out).toBe('catalog is not in `mtls: shadow`.');
  });
});
