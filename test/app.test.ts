/** The use cases at their one door: stepping in, the sweep as the only guarantee, alarms, reading. */
import { describe, expect, it } from 'vitest';
import { verifyChain } from '../src/journal/history.ts';
import { serviceStream } from '../src/rollouts/service-stream.ts';
import { deployment, MINUTE, meshFile, serviceFile, shop } from './world.ts';

const byKim = (id: string) => ({ id, actor: 'kim' });

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
