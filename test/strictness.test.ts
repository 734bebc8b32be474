/** From `shadow` to `strict`, through the app: kept back while calls would be refused or nobody can see it, unless that is accepted. */
import { describe, expect, it } from 'vitest';
import type { DataPlane, DryRunCount } from '../src/reconcile/data-plane.ts';
import { MINUTE, serviceFile, T0, World } from './world.ts';

const HOUR = 60 * MINUTE;
const mesh = {
  path: 'mesh.yaml',
  text: 'apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ntrustDomain: shop.example\ndataPlanes:\n  - { name: west, kind: istio }\n',
};
const allow = 'serviceAccount: catalog\nallow:\n  - from: [{ namespace: shop, serviceAccount: web }]';
const staged = (stage: string) => serviceFile('catalog', `rollout: canary\nmtls: ${stage}\n${allow}`);

async function inShadow(): Promise<{ world: World; west: { counts: readonly DryRunCount[] | string } }> {
  const west: { counts: readonly DryRunCount[] | string } = { counts: [{ proxy: 'catalog-1.shop', wouldRefuse: 0 }] };
  const dataPlane: DataPlane = {
    apply: async () => ({ kind: 'applied' }),
    observe: async () => ({ kind: 'served' }),
    readiness: async () => ({}),
    async dryRun() {
      if (typeof west.counts === 'string') throw new Error(west.counts);
      return { proxies: west.counts };
    },
  };
  const world = new World({ connect: () => dataPlane });
  await world.apply(mesh, staged('shadow'));
  return { world, west };
}

const stageOf = async (world: World) => (await world.app.adopted('shop'))?.services[0]?.mtls?.stage;
const strict = (world: World, acceptRefusals = false) => world.app.apply([mesh, staged('strict')], { actor: 'kim', acceptRefusals });

describe('a service in shadow', () => {
  it('becomes strict when it would have refused nobody', async () => {
    const { world } = await inShadow();
    expect(await strict(world)).toMatchObject({ ok: true });
    expect(await stageOf(world)).toBe('strict');
  });

  it('stays while it would have refused somebody within the hour: the spec’s line says whom to look at', async () => {
    const { world, west } = await inShadow();
    west.counts = [{ proxy: 'catalog-1.shop', wouldRefuse: 12 }];
    const refused = await strict(world);
    expect(refused).toMatchObject({ ok: false, problems: [{ file: 'catalog.yaml', field: 'mtls' }] });
    expect(refused.ok ? '' : refused.problems[0]?.message).toMatch(
      /would have refused 12 requests on west .* by catalog-1.shop.*--accept-refusals/,
    );
    expect(await stageOf(world)).toBe('shadow');
    world.now += HOUR;
    expect(await strict(world)).toMatchObject({ ok: true });
  });

  it('stays while nobody can see whom it would refuse', async () => {
    const { world, west } = await inShadow();
    west.counts = 'The API server does not answer.';
    expect(await strict(world)).toMatchObject({ ok: false, problems: [{ message: expect.stringContaining('does not answer.') }] });
  });

  it('becomes strict all the same when that is accepted, and the journal says so', async () => {
    const { world, west } = await inShadow();
    west.counts = 'The API server does not answer.';
    expect(await strict(world, true)).toMatchObject({ ok: true });
    expect((await world.app.history('shop', undefined, 0, 10)).at(-1)).toMatchObject({ actor: 'kim', evidence: { acceptRefusals: true } });
  });

  it('is what is kept back: one that was not in shadow, or is strict already, is not', async () => {
    const { world, west } = await inShadow();
    await world.apply(mesh, staged('permissive'));
    west.counts = [{ proxy: 'catalog-1.shop', wouldRefuse: 12 }];
    expect(await strict(world)).toMatchObject({ ok: true });
    const changed = serviceFile('catalog', `rollout: canary\ntimeout: 3s\nmtls: strict\n${allow}`);
    expect(await world.app.apply([mesh, changed], { actor: 'kim' })).toMatchObject({ ok: true });
  });

  it('keeps nobody else back, and may always go the other way', async () => {
    const { world, west } = await inShadow();
    west.counts = [{ proxy: 'catalog-1.shop', wouldRefuse: 12 }];
    const search = serviceFile('search', `rollout: canary\nmtls: strict\n${allow.replace('catalog', 'search')}`);
    expect(await world.app.apply([mesh, staged('shadow'), search], { actor: 'kim' })).toMatchObject({ ok: true });
    expect(await world.app.apply([mesh, staged('permissive'), search], { actor: 'kim' })).toMatchObject({ ok: true });
  });

  it('is looked at by the timer and when asked; what was seen is kept, and only of it', async () => {
    const { world, west } = await inShadow();
    expect(await world.app.strictness.seen('shop', 'catalog')).toEqual([]);
    west.counts = [{ proxy: 'catalog-1.shop', wouldRefuse: 2 }];
    expect(await world.app.strictness.lookAtAll()).toMatchObject([{ service: 'catalog', dataPlane: 'west', refused: 2, since: T0 }]);
    world.now += 5 * MINUTE;
    west.counts = [{ proxy: 'catalog-1.shop', wouldRefuse: 5 }];
    expect(await world.app.strictness.look('shop', 'catalog')).toMatchObject([
      { refused: 5, against: expect.stringContaining('5 requests') },
    ]);
    west.counts = [];
    expect(await world.app.strictness.seen('shop', 'catalog')).toMatchObject([{ refused: 5, lastRefusedAt: T0 + 5 * MINUTE }]);
    expect(await world.app.strictness.look('shop', 'nobody')).toBeUndefined();
    await world.app.apply([mesh, staged('strict')], { actor: 'kim', acceptRefusals: true });
    expect([await world.app.strictness.look('shop', 'catalog'), await world.app.strictness.lookAtAll()]).toEqual([[], []]);
  });
});

describe('a service that is strict', () => {
  const two = { ...mesh, text: `${mesh.text}  - { name: east, kind: istio }\n` };
  const given = (stage: string, fields = '') => serviceFile('catalog', `rollout: canary\n${fields}${stage}\n${allow}`);
  const plain = serviceFile('search');

  async function strictOnBoth(): Promise<World> {
    const dataPlane: DataPlane = {
      apply: async () => ({ kind: 'applied' }),
      observe: async () => ({ kind: 'served' }),
      readiness: async () => ({}),
    };
    return new World({ connect: () => dataPlane }).apply(two, given('mtls: strict'), plain);
  }

  it.each([
    ['goes', [two, plain], '', 'taking it out of the spec'],
    ['leaves a data plane', [two, given('mtls: strict', 'dataPlanes: [west]\n'), plain], 'dataPlanes', 'taking it from east'],
    [
      'opens on a data plane it leaves',
      [two, given('mtls: permissive', 'dataPlanes: [west]\n'), plain],
      'dataPlanes',
      'taking it from east',
    ],
    ['is on one that the mesh gives up', [mesh, given('mtls: strict'), plain], 'dataPlanes', 'taking it from east'],
    [
      'says nothing of mTLS any more',
      [two, serviceFile('catalog', 'rollout: canary\nserviceAccount: catalog'), plain],
      'mtls',
      'saying nothing of `mtls`',
    ],
  ] as const)('is not opened in passing, as when it %s: that takes a step of its own', async (_, files, field, what) => {
    const world = await strictOnBoth();
    const refused = await world.app.apply(files, { actor: 'kim', acceptRefusals: true });
    expect(refused).toMatchObject({ ok: false, problems: [{ field, message: expect.stringContaining(what) }] });
    expect(refused).toMatchObject({ problems: [{ message: expect.stringContaining('apply it with `mtls: permissive` first') }] });
    expect(await stageOf(world)).toBe('strict');
    await world.apply(two, given('mtls: permissive'), plain);
    await world.apply(...files);
  });

  it('nor is one that asks for tokens, but by a spec that does so no more', async () => {
    const tokens = 'tokens: { issuer: https://a.example, jwks: "https://a.example/keys", audience: a }\n';
    const bare = (fields: string) => serviceFile('catalog', `rollout: canary\n${fields}`);
    const world = await strictOnBoth();
    await world.apply(two, given('mtls: permissive'), plain);
    await world.apply(two, bare(tokens), plain);
    for (const [files, field] of [
      [[two, plain], ''],
      [[two, bare(`${tokens}dataPlanes: [west]\n`), plain], 'dataPlanes'],
    ] as const) {
      const refused = await world.app.apply(files, { actor: 'kim', acceptRefusals: true });
      expect(refused).toMatchObject({ ok: false, problems: [{ field, message: expect.stringContaining('asks for `tokens`') }] });
      expect(refused).toMatchObject({ problems: [{ message: expect.stringContaining('apply it without `tokens` first') }] });
    }
    await world.apply(two, bare(''), plain);
    await world.apply(two, plain);
  });
});
