/** `meshwright rotate` and `rotation`: what goes to meshwright is about what was looked at, and no two steps in one. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { json } from '../../src/api/problem.ts';
import type { Api } from './api-server.ts';
import { type CliAtApi, startCliAtApi } from './cli-at-api.ts';

let api: Api;
let cli: CliAtApi['cli'];
let close: CliAtApi['close'];

const ROTATION = { id: 'r7', cause: 'compromised', startedAt: 0, startedBy: 'kim', phase: { name: 'distributing', since: 0 } };

/** Status and answer at once: which of them is meant depends on what is asked. */
const answering = (rotation: typeof ROTATION | null) =>
  json(200, {
    ...{ now: 0, mesh: 'shop', version: 1, rotation, ended: [], pending: [] },
    inventory: { trustDomain: 'shop.example', rotateBy: null, certificates: [], workloads: [], unseen: [] },
    ...{ outcome: 'accepted', message: 'So be it.' },
  });

beforeEach(async () => {
  ({ api, cli, close } = await startCliAtApi());
  api.override = answering(ROTATION);
});
afterEach(() => close());

const sent = () => api.asked.filter(({ method }) => method === 'POST');

describe('forcing a gate', () => {
  it('shows which it is, and names that one: another that has come meanwhile is not forced', async () => {
    expect(await cli('rotation', 'force', '--mesh', 'shop')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^distributing .*So be it\./s),
    });
    expect(sent()).toMatchObject([{ path: '/meshes/shop/rotation/force', body: { rotation: 'r7', phase: 'distributing' } }]);
  });

  it('asks for nothing where nothing is under way', async () => {
    api.override = answering(null);
    expect(await cli('rotation', 'force', '--mesh', 'shop')).toMatchObject({ code: 1, err: expect.stringContaining('No rotation') });
    expect(sent()).toEqual([]);
  });
});

describe('what begins or steps into a rotation', () => {
  it('carries a key of its invocation, so that delivered twice it is done once', async () => {
    await cli('rotate', '--mesh', 'shop', '--no-wait');
    await cli('rotation', 'abort', '--mesh', 'shop');
    await cli('rotation', 'abort', '--mesh', 'shop');
    const keys = sent().map(({ headers }) => headers['idempotency-key']);
    expect(keys).toHaveLength(3);
    for (const key of keys) expect(key).toMatch(/^[0-9a-f-]{36}$/);
    expect(new Set(keys).size).toBe(3);
  });
});
