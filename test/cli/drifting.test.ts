/** `meshwright drift`: what is shown, and the exit code that scripts go by. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Api, specFiles } from './api-server.ts';
import { type CliAtApi, startCliAtApi } from './cli-at-api.ts';

let api: Api;
let cli: CliAtApi['cli'];
let close: CliAtApi['close'];

beforeEach(async () => {
  ({ api, cli, close } = await startCliAtApi());
  await api.app.apply(specFiles('shop', ['catalog', 'search']), { actor: 'test' });
});
afterEach(() => close());

const gone = { kind: 'missing', resource: 'VirtualService shop/catalog' } as const;

describe('drift', () => {
  it('is a table, and exit 0 where everything is as decided', async () => {
    expect(await cli('drift')).toEqual({
      code: 0,
      err: '',
      out: ['SERVICE       DATA PLANE  SEEN', 'shop/catalog  edge        as decided', 'shop/search   edge        as decided'].join('\n'),
    });
  });

  it('exits 4 where there is any, and says in what; status says so too', async () => {
    api.drift = [gone];
    const { code, out, err } = await cli('drift', 'catalog');
    expect(code).toBe(4);
    expect(err).toBe('There is drift: shop/catalog on edge.');
    expect(out.split('\n')).toEqual([
      'SERVICE       DATA PLANE  SEEN',
      'shop/catalog  edge        drifted',
      '                          VirtualService shop/catalog is gone; who deleted it is not kept.',
    ]);
    expect((await cli('status')).out).toMatch(/edge drifted \d+ s ago: VirtualService shop\/catalog is gone/);
  });

  it('that cannot be seen is no agreement: it exits 1 and says why', async () => {
    api.drift = 'The API server does not answer.';
    const { code, out, err } = await cli('drift', '--mesh', 'shop');
    expect(code).toBe(1);
    expect(out).toContain('shop/search   edge        not seen\n                          The API server does not answer.');
    expect(err).toBe('It cannot be seen whether there is drift: shop/catalog on edge, shop/search on edge.');
  });

  it('is JSON for scripts, and as it was seen last where asked', async () => {
    expect((await cli('drift', '--seen')).out).toBe('Nothing is decided that could drift, or it was not looked for yet.');
    api.drift = [gone];
    expect((await cli('drift')).code).toBe(4);
    api.drift = [];
    const { code, out } = await cli('drift', '--seen', '--json', 'search');
    expect(code).toBe(4);
    expect(JSON.parse(out)).toMatchObject({ drift: [{ mesh: 'shop', service: 'search', outcome: 'drift', differences: [gone] }] });
  });
});
