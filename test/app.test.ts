/** The use cases at their one door: adopting a spec whole, stepping in, the sweep as the only guarantee, reading. */
import { describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../src/adapters/memory-documents.ts';
import { verifyChain } from '../src/journal/history.ts';
import { CLAIM_MS } from '../src/journal/journal.ts';
import { readFragment } from '../src/reconcile/model.ts';
import { serviceStream } from '../src/rollouts/service-stream.ts';
import type { SpecFile } from '../src/spec/read-spec.ts';
import { forwarding, UnreliableDocuments } from './journal/unreliable-documents.ts';
import { deployment, MINUTE, meshFile, serviceFile, shop, World } from './world.ts';

const kim = { actor: 'kim' };
const byKim = (id: string) => ({ id, actor: 'kim' });
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

describe('stepping in', () => {
  it('is answered by what was decided, once for each id', async () => {
    const world = await shop();
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    const pause = () => world.app.byHand('shop', 'catalog', byKim('h1'), { type: 'Pause' });
    expect(await pause()).toMatchObject({ outcome: 'accepted', repeated: false });
    await world.app.byHand('shop', 'catalog', byKim('h2'), { type: 'Resume' });
    expect(await pause()).toMatchObject({ outcome: 'accepted', repeated: true });
    expect((await world.app.service('shop', 'catalog'))?.rollout?.phase).not.toBe('paused');
  });

  it('is answered by a reason where it is refused', async () => {
    const world = await shop();
    expect(await world.app.byHand('shop', 'catalog', byKim('h1'), { type: 'Abort' })).toMatchObject({
      outcome: 'refused',
      reason: 'NoRollout',
    });
  });

  it('is about services that exist', async () => {
    const world = await shop();
    expect(await world.app.byHand('shop', 'basket', byKim('h1'), { type: 'Abort' })).toBeUndefined();
    expect(await world.app.byHand('office', 'catalog', byKim('h1'), { type: 'Abort' })).toBeUndefined();
    expect(await world.documents.read('service/shop/basket', 'head')).toBeUndefined();
  });
});

describe('the sweep alone', () => {
  it('brings a canary to its end: no alarm, no hint, no poke is needed', async () => {
    const world = await shop({ setAlarm: () => Promise.reject(new Error('the queue is gone')) });
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    const weights = new Set<number | undefined>();
    for (let minutes = 0; minutes < 60; minutes += 1) {
      await world.tick('shop');
      weights.add((await world.split('catalog')).v2);
    }
    expect([...weights]).toEqual([5, 25, 50, 100]);
    expect(await world.app.service('shop', 'catalog')).toMatchObject({
      stable: 'v2',
      split: [{ version: 'v2', weight: 100 }],
      rollout: null,
      pending: [],
    });
    expect(await verifyChain(world.documents, serviceStream, 'service/shop/catalog')).toMatchObject({ holds: true });
  });

  it('passes deadlines in any order of two processes, each once', async () => {
    const world = await shop();
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    const [one, two] = [world.instance(), world.instance()];
    world.now += 15 * MINUTE;
    await Promise.all([one.sweep(), two.sweep(), one.wake('service/shop/catalog')]);
    const commits = await world.app.history('shop', 'catalog', 0, 100);
    expect(commits.flatMap(({ events }) => events).filter(({ type }) => type === 'TrafficReturned')).toHaveLength(1);
  });

  it('goes on past a stream that cannot be tended, and says which', async () => {
    const world = await shop();
    await world.apply(meshFile('shop'), serviceFile('catalog'), serviceFile('broken'));
    await world.seen('shop');
    const bad = { partition: 'service/shop/broken', id: 'head', kind: 'head', ordinal: 1, wakeAt: 1, body: { schema: 1, nonsense: true } };
    await world.documents.batch('service/shop/broken', [{ op: 'upsert', document: bad }]);
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    world.now += 15 * MINUTE;
    expect(await world.app.sweep()).toMatchObject({ failed: 1 });
    expect(await world.split('catalog')).toEqual({ v1: 100, v2: 0 });
    expect(world.problems).toContain('The sweep could not tend service/shop/broken; it tries again in the next one.');
  });

  it('removes what has expired', async () => {
    const world = await shop();
    await world.app.receiveEvent('nonsense');
    await world.after(30 * 24 * 60 * MINUTE);
    expect(await world.documents.list({ partition: 'parked', kind: 'parked' })).toEqual([]);
  });
});

describe('alarms', () => {
  it('lead to the next weight by themselves: each sets the next, and none is early', async () => {
    const world = await shop();
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    await world.seen('shop');
    const begun = world.now;
    for (let rings = 0; rings < 5 && (await world.split('catalog')).v2 === 5; rings += 1) {
      const alarm = world.alarms.at(-1);
      const head = await world.documents.read('service/shop/catalog', 'head');
      expect(alarm?.stream).toBe('service/shop/catalog');
      expect(alarm?.at).toBeLessThanOrEqual(head?.document.wakeAt ?? 0);
      world.now = alarm?.at ?? 0;
      await world.report('shop');
      await world.app.wake('service/shop/catalog');
    }
    expect(await world.split('catalog')).toEqual({ v1: 75, v2: 25 });
    expect(world.now).toBe(begun + 5 * MINUTE);
  });

  it('that ring early or twice change nothing', async () => {
    const world = await shop();
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    await world.seen('shop');
    const before = await world.app.service('shop', 'catalog');
    for (let times = 0; times < 2; times += 1) await world.app.wake('service/shop/catalog');
    expect(await world.app.service('shop', 'catalog')).toEqual(before);
  });

  it('follow what a hint has dated anew', async () => {
    const world = await shop();
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    await world.report('shop');
    await world.app.wake('service/shop/catalog');
    await world.app.receiveEvent(deployment('2', 'catalog', 'v3'));
    const before = await world.documents.read('service/shop/catalog', 'head');
    world.now += 500;
    await world.app.observed('shop', ['catalog']);
    const after = await world.documents.read('service/shop/catalog', 'head');
    expect(after?.document.wakeAt).not.toBe(before?.document.wakeAt);
    expect(world.alarms).toContainEqual({ stream: 'service/shop/catalog', at: after?.document.wakeAt });
  });

  it('are all set anew for a host whose queue has died with it', async () => {
    const world = await shop();
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    await world.seen('shop');
    world.alarms.splice(0);
    await world.instance().renewAlarms();
    const head = await world.documents.read('service/shop/catalog', 'head');
    expect(world.alarms).toContainEqual({ stream: 'service/shop/catalog', at: head?.document.wakeAt });
  });

  it('for what newer code has yet to do come again a second later, not at once, and the sweep adds none', async () => {
    const world = await shop();
    const head = await world.documents.read('service/shop/catalog', 'head');
    if (!head) throw new Error('there is no head');
    const document = { ...head.document, wakeAt: world.now - MINUTE, body: { ...head.document.body, schema: 1_000 } };
    await world.documents.batch('service/shop/catalog', [{ op: 'upsert', document }]);
    world.alarms.splice(0);
    await world.app.wake('service/shop/catalog');
    expect(world.alarms).toEqual([{ stream: 'service/shop/catalog', at: world.now + 1_000 }]);
    await world.app.sweep();
    expect(world.alarms).toHaveLength(1);
  });

  it('of streams that nobody knows are no problem', async () => {
    const world = await shop();
    for (const stream of ['service/shop/nobody', 'mesh/nobody', 'nonsense', '']) await world.app.wake(stream);
    expect(world.problems).toEqual([]);
  });
});

describe('reading', () => {
  it('says of every service what it is at, what comes next and why', async () => {
    const world = await shop();
    await world.apply(meshFile('shop'), serviceFile('catalog'), serviceFile('cart'));
    await world.seen('shop');
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    await world.seen('shop');
    const [cart, catalog] = await world.app.status();
    expect(cart).toMatchObject({ service: 'cart', stable: 'v1', rollout: null });
    expect(catalog).toMatchObject({
      service: 'catalog',
      stable: 'v1',
      rollout: { candidate: 'v2', phase: 'holding', step: 1, steps: 4, deadline: { name: 'hold', at: world.now + 5 * MINUTE } },
    });
  });
});

describe('endpoints that a data plane keeps though they are silent', () => {
  it('are said in a card and in the journal of the mesh, once for each time they are seen', async () => {
    const world = await shop();
    const silent = [{ dataPlane: 'edge', service: 'catalog', text: 'The last endpoint of catalog v1 is silent.', at: world.now }];
    await world.app.silentEndpoints('shop', silent);
    await world.app.silentEndpoints('shop', silent);
    expect(world.topics()).toEqual(['silent-endpoints']);
    const commits = await world.app.history('shop', undefined, 0, 10);
    expect(commits.at(-1)?.events).toMatchObject([{ type: 'SilentEndpointsKept', dataPlane: 'edge', service: 'catalog' }]);
  });

  it('of a mesh that nobody adopted are nobody to tell of', async () => {
    const world = await shop();
    await world.app.silentEndpoints('office', [{ dataPlane: 'edge', service: 'catalog', text: 'It is silent.', at: world.now }]);
    expect(world.topics()).toEqual([]);
    expect(await world.app.history('office', undefined, 0, 10)).toEqual([]);
  });
});
