/** Adopting a spec at the app's door: whole or not at all, only what changed, and whatever call its process dies at. */
import { describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../src/adapters/memory-documents.ts';
import { CLAIM_MS } from '../src/journal/journal.ts';
import { readFragment } from '../src/reconcile/model.ts';
import type { SpecFile } from '../src/spec/read-spec.ts';
import { forwarding, UnreliableDocuments } from './journal/unreliable-documents.ts';
import { deployment, meshFile, serviceFile, shop, World } from './world.ts';

const kim = { actor: 'kim' };
const port = (world: World, mesh = 'shop') =>
  readFragment(world.documents, mesh, 'catalog').then((fragment) => fragment?.plan?.port ?? fragment?.plan);
const withPort = (value: number): SpecFile => {
  const file = serviceFile('catalog');
  return { ...file, text: file.text.replace('8080', String(value)) };
};

describe('applying a spec', () => {
  it('adopts it by one event, with who did it, and brings every service up to it', async () => {
    const world = new World();
    const applied = await world.app.apply([meshFile('shop'), serviceFile('catalog'), serviceFile('cart')], kim);
    expect(applied).toMatchObject({
      ok: true,
      mesh: 'shop',
      answer: { outcome: 'accepted', message: 'The spec is adopted: 2 added, 0 changed, 0 removed.' },
    });
    const [adoption, ...rest] = await world.app.history('shop', undefined, 0, 10);
    expect(adoption).toMatchObject({ version: 1, actor: 'kim', events: [{ type: 'SpecAdopted' }] });
    expect(rest).toEqual([]);
    for (const service of ['catalog', 'cart']) expect(await world.split(service)).toEqual({ v1: 100 });
  });

  it('changes nothing at all when anything in it is wrong, and says everything that is', async () => {
    const world = new World();
    const wrong = { path: 'cart.yaml', text: serviceFile('cart').text.replace('port: 8080', 'port: 80800\nporrt: 1') };
    const applied = await world.app.apply([meshFile('shop'), serviceFile('catalog'), wrong], kim);
    expect(applied.ok).toBe(false);
    expect(applied.ok ? [] : applied.problems.map(({ file }) => file)).toEqual(['cart.yaml', 'cart.yaml']);
    for (const partition of ['meshes', 'spec/shop', 'mesh/shop', 'service/shop/catalog']) {
      for (const kind of ['mesh', 'service-spec', 'head', 'commit']) expect(await world.documents.list({ partition, kind })).toEqual([]);
    }
  });

  it('again changes nothing, whatever the order of its files', async () => {
    const world = await shop();
    const files = [meshFile('shop'), serviceFile('catalog')];
    expect(await world.app.apply(files.toReversed(), kim)).toMatchObject({
      ok: true,
      answer: { outcome: 'unchanged', reason: 'SameRevision' },
    });
    expect(await world.app.history('shop', undefined, 0, 10)).toHaveLength(1);
  });

  it('that was in force before is a new adoption: A, then B, then A', async () => {
    const world = await shop();
    for (const each of [9090, 8080, 9090]) {
      await world.apply(meshFile('shop'), withPort(each));
      expect(await port(world)).toBe(each);
    }
    expect(await world.app.history('shop', undefined, 0, 10)).toHaveLength(4);
  });

  it('touches only the services that changed', async () => {
    const world = await shop();
    await world.apply(meshFile('shop'), serviceFile('catalog'), serviceFile('cart'));
    const before = await readFragment(world.documents, 'shop', 'catalog');
    await world.apply(meshFile('shop'), serviceFile('catalog'), serviceFile('cart', 'rollout: canary\ntimeout: 2s'));
    expect(await readFragment(world.documents, 'shop', 'catalog')).toEqual(before);
  });

  it('without a service takes that one out of the mesh, and leaves a tombstone for those who serve it', async () => {
    const world = await shop();
    await world.apply(meshFile('shop'), serviceFile('catalog'), serviceFile('cart'));
    const before = await readFragment(world.documents, 'shop', 'catalog');
    await world.apply(meshFile('shop'), serviceFile('cart'));
    const gone = await readFragment(world.documents, 'shop', 'catalog');
    expect(gone?.plan).toBeNull();
    expect(gone?.sequence).toBeGreaterThan(before?.sequence ?? 0);
    expect(await world.app.service('shop', 'catalog')).toBeUndefined();
    await world.tick('shop');
    const head = await world.documents.read('service/shop/catalog', 'head');
    expect(head?.document.body.pending).toEqual({});
    await world.apply(meshFile('shop'), serviceFile('catalog'), serviceFile('cart'));
    expect(await world.split('catalog')).toEqual({ v1: 100 });
  });

  it('may name a service like something every object has', async () => {
    const world = await shop();
    await world.apply(meshFile('shop'), serviceFile('catalog'), serviceFile('constructor'));
    expect(await world.split('constructor')).toEqual({ v1: 100 });
    await world.apply(meshFile('shop'), serviceFile('catalog'));
    expect((await readFragment(world.documents, 'shop', 'constructor'))?.plan).toBeNull();
  });

  it('that needs a data plane nobody can reach is refused before anything is adopted, at its line, with what to do', async () => {
    const world = new World();
    const dataPlanes = [
      'dataPlanes:',
      '  - { name: edge, kind: istio, cluster: { kubeconfigSetting: EDGE } }',
      '  - { name: west, kind: istio }',
      '  - { name: south, kind: consul, defaultPolicy: deny }',
    ];
    const mesh = { path: 'shop.yaml', text: `apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\n${dataPlanes.join('\n')}\n` };
    const applied = await world.app.apply([serviceFile('catalog'), mesh], kim);
    expect(applied).toMatchObject({
      ok: false,
      problems: [
        { file: 'shop.yaml', line: 5, field: 'dataPlanes[0]', message: expect.stringMatching(/does not apply it yet; edge/) },
        { file: 'shop.yaml', line: 6, field: 'dataPlanes[1]', message: expect.stringMatching(/west has no `cluster`/) },
        { file: 'shop.yaml', line: 7, field: 'dataPlanes[2]', message: expect.stringMatching(/south has no `address`/) },
      ],
    });
    expect(await world.app.meshes()).toEqual([]);
  });

  it('that a data plane cannot say is refused whole, with what says it, where, and why', async () => {
    const world = await shop();
    const refused = serviceFile('cart', 'rollout: canary\ntelemetry:\n  tracing: 5');
    const applied = await world.app.apply([meshFile('shop'), withPort(9090), refused], kim);
    expect(applied).toEqual({
      ok: false,
      problems: [
        {
          file: 'cart.yaml',
          line: 8,
          column: 12,
          field: 'telemetry.tracing',
          message: expect.stringMatching(/^cart on edge \(envoy\): .*leave `tracing` out/),
          refusal: { service: 'cart', dataPlane: 'edge', code: 'NoTraceCollector' },
        },
      ],
    });
    expect(await port(world)).toBe(8080);
    expect(await world.app.history('shop', undefined, 0, 10)).toHaveLength(1);
  });

  it('is whole whatever call its process dies at, once it is asked for again', async () => {
    const counting = new UnreliableDocuments(new MemoryDocuments());
    const calm = await shop({ documents: counting });
    const prepared = counting.calls;
    await calm.apply(meshFile('shop'), withPort(9090), serviceFile('cart'));
    const calls = counting.calls - prepared;
    for (let call = 0; call < calls; call += 1) {
      for (const when of ['before', 'after'] as const) {
        const world = await shop();
        const dying = world.instance(new UnreliableDocuments(world.documents, { call, when }));
        const files = [meshFile('shop'), withPort(9090), serviceFile('cart')];
        await dying.apply(files, kim).catch(() => {});
        const adoptions = await world.app.history('shop', undefined, 0, 10);
        if (adoptions.length === 1) expect(await port(world)).toBe(8080);
        await world.app.apply(files, kim);
        await world.after(CLAIM_MS);
        expect([await port(world), await world.split('cart')], `${when} call ${call}`).toEqual([9090, { v1: 100 }]);
        expect(await world.app.history('shop', undefined, 0, 10)).toHaveLength(2);
      }
    }
  });

  it('counts for a delivery at once, although its hand-over failed', async () => {
    const store = new MemoryDocuments();
    const world = new World({ documents: store });
    const halting = world.instance({
      ...forwarding(store),
      batch: async (partition, operations) => {
        if (partition === 'service/shop/cart') throw new Error('no answer');
        return store.batch(partition, operations);
      },
    });
    expect(await halting.apply([meshFile('shop'), serviceFile('cart')], kim)).toMatchObject({ ok: true });
    expect(await world.split('cart')).toEqual({});
    expect(await world.app.receiveEvent(deployment('1', 'cart', 'v2'))).toMatchObject({ answers: [{ outcome: 'accepted' }] });
  });
});
