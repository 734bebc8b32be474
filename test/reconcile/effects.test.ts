/** Doing what the journal says is owed, through the app: serving, watching, telling, handing over; again when it fails. */
import { describe, expect, it, vi } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { CLAIM_MS } from '../../src/journal/journal.ts';
import { readFragment, writeFragment } from '../../src/reconcile/model.ts';
import { forwarding, UnreliableDocuments } from '../journal/unreliable-documents.ts';
import { deployment, MINUTE, meshFile, serviceFile, shop, T0, World } from '../world.ts';
import { errorOf, phaseOf, ScriptedDataPlane, scripted } from './scripted.ts';

describe('serving a plan', () => {
  it('writes it into the model, applies it everywhere, and what is seen of it starts the clock', async () => {
    const { world, edge, west } = await scripted();
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    const { revision, plan } = (await readFragment(world.documents, 'shop', 'catalog')) ?? {};
    expect(plan?.routes[0]?.split).toEqual([
      { version: 'v1', weight: 95 },
      { version: 'v2', weight: 5 },
    ]);
    expect([edge.applied.at(-1), west.applied.at(-1)]).toEqual([revision, revision]);
    expect(await phaseOf(world)).toBe('holding');
    expect(await world.owed('catalog')).toEqual([]);
  });

  it('gives a data plane what the model has, where somebody has published a later decision meanwhile', async () => {
    const { world, edge } = await scripted();
    await writeFragment(world.documents, { mesh: 'shop', service: 'catalog', revision: 1_000, plan: null });
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    // Never the plan of before under the revision of the later one, over what that one wrote.
    expect([edge.applied.at(-1), edge.plans.applied]).toEqual([1_000, false]);
  });

  it('that is not seen yet is tried again after 1 s, 2 s, 4 s … and each minute at last', async () => {
    const { world, edge } = await scripted();
    edge.seen = { kind: 'waiting', for: ['edge-1'] };
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    const waits: number[] = [];
    for (let tries = 0; tries < 9; tries += 1) {
      const wakeAt = (await world.documents.read('service/shop/catalog', 'head'))?.document.wakeAt ?? 0;
      waits.push((wakeAt - world.now) / 1000);
      await world.after(wakeAt - world.now);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    expect(await phaseOf(world)).toBe('shifting');
    edge.seen = { kind: 'served' };
    await world.after(MINUTE);
    expect(await phaseOf(world)).toBe('holding');
  });

  it('on one data plane does not wait for another that is down, and goes on when it is back', async () => {
    const { world, edge, west } = await scripted();
    west.down = true;
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    expect(edge.applied.length).toBeGreaterThan(west.applied.length);
    expect(await world.owed('catalog')).toEqual(['serve west']);
    expect(await errorOf(world, 'serve west')).toBe('connection refused');
    expect(world.problems).toEqual(['The effect serve west failed and will be tried again.']);
    west.down = false;
    await world.after(1000);
    expect(await world.owed('catalog')).toEqual([]);
    expect(await phaseOf(world)).toBe('holding');
  });

  it('that is refused stops the step with the words of the refusal, and is still owed', async () => {
    const { world, edge } = await scripted();
    edge.seen = { kind: 'rejected', node: 'edge-1', message: 'bad cluster' };
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    expect((await world.app.service('shop', 'catalog'))?.rollout).toMatchObject({
      phase: 'shifting',
      because: 'edge refused it: edge-1: bad cluster',
    });
    expect(await errorOf(world, 'serve edge')).toBe('edge-1: bad cluster');
    expect(world.topics()).toContain('stuck');
  });

  it('that is refused on the way back is told at once, and says why for as long as it lasts', async () => {
    const { world, edge } = await scripted();
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    edge.answer = { kind: 'refused', message: 'kubectl-edit owns spec.rules' };
    await world.app.byHand('shop', 'catalog', { id: 'h1', actor: 'kim' }, { type: 'Abort' });
    const stuck = () => world.cards.filter(({ topic }) => topic === 'stuck').map(({ data }) => data.text);
    expect(stuck()).toEqual(['edge refused it: kubectl-edit owns spec.rules']);
    expect((await world.app.service('shop', 'catalog'))?.rollout).toMatchObject({
      phase: 'returning',
      because: 'It was aborted by hand. edge refused it: kubectl-edit owns spec.rules.',
    });
    await world.after(5 * MINUTE);
    expect(stuck().at(-1)).toBe('Not yet seen to serve stable alone: edge. edge refused it: kubectl-edit owns spec.rules.');
    edge.answer = { kind: 'applied' };
    await world.after(MINUTE);
    expect((await world.app.service('shop', 'catalog'))?.rollout).toBeNull();
  });

  it('takes traffic back on the others while one is down: the way back waits for nobody', async () => {
    const { world, edge, west } = await scripted();
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    west.down = true;
    const before = edge.applied.length;
    await world.app.byHand('shop', 'catalog', { id: 'h1', actor: 'kim' }, { type: 'Abort' });
    expect(await world.split('catalog')).toEqual({ v1: 100, v2: 0 });
    expect(edge.applied.length).toBeGreaterThan(before);
    expect((await readFragment(world.documents, 'shop', 'catalog'))?.plan?.routes[0]?.split).toContainEqual({ version: 'v2', weight: 0 });
  });

  it('on a data plane this build cannot reach is owed until one can', async () => {
    const { world } = await scripted();
    const older = world.instance(world.documents, { connect: () => undefined });
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    await older.byHand('shop', 'catalog', { id: 'h1', actor: 'kim' }, { type: 'Abort' });
    expect(await errorOf(world, 'serve edge')).toBe('This build reaches no data plane edge.');
    await world.after(CLAIM_MS);
    expect(await world.owed('catalog')).toEqual([]);
  });

  it('on a data plane that left the mesh is owed no more', async () => {
    const { world, west } = await scripted();
    west.down = true;
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    await world.apply(meshFile('shop', ['edge']), serviceFile('catalog'));
    expect(await phaseOf(world)).toBe('holding');
    await world.after(MINUTE);
    expect(await world.owed('catalog')).toEqual([]);
  });

  it('on a data plane that the service leaves takes all of it away there, and is owed until that is done', async () => {
    const { world, edge, west } = await scripted();
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    west.down = true;
    await world.apply(meshFile('shop', ['edge', 'west']), serviceFile('catalog', 'rollout: canary\ndataPlanes: [edge]'));
    expect(await phaseOf(world)).toBe('holding');
    expect(await world.owed('catalog')).toEqual(['serve west']);
    west.down = false;
    await world.after(MINUTE);
    expect(west.plans).toEqual({ applied: false, observed: false, pruned: false });
    expect(edge.plans).toEqual({ applied: true, observed: true, pruned: true });
    expect(await world.owed('catalog')).toEqual([]);
    expect((await readFragment(world.documents, 'shop', 'catalog'))?.plan?.dataPlanes).toEqual(['edge']);
  });

  it('is done by one of two processes, and by the other when that one dies', async () => {
    const { world, edge } = await scripted();
    edge.seen = { kind: 'waiting', for: [] };
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    const [one, two] = [world.instance(), world.instance()];
    const before = edge.applied.length;
    world.now += 1000;
    await Promise.all([one.sweep(), two.sweep()]);
    expect(edge.applied.length).toBe(before + 1);
  });
});

describe('watching readiness', () => {
  it('goes on for as long as a version waits, and ends with it', async () => {
    const world = await shop();
    await world.report('shop', { v1: 'ready' });
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    expect(await world.owed('catalog')).toEqual(['watch readiness']);
    await world.after(1000);
    expect(await phaseOf(world)).toBe('waiting');
    await world.report('shop');
    // No hint: the watch itself finds it.
    await world.after(2000);
    expect(await world.split('catalog')).toEqual({ v1: 95, v2: 5 });
    await world.seen('shop');
    await world.after(8000);
    expect(await world.owed('catalog')).toEqual([]);
  });

  it('that cannot be read is unknown: it stops the way up and never the way back', async () => {
    class Blind extends ScriptedDataPlane {
      override async readiness(): Promise<never> {
        throw new Error('no answer');
      }
    }
    const world = new World({ connect: () => new Blind() });
    await world.apply(meshFile('shop'), serviceFile('catalog'));
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    expect(await phaseOf(world)).toBe('waiting');
    expect(world.problems).toContain('The readiness of catalog on edge could not be read.');
    await world.app.byHand('shop', 'catalog', { id: 'h1', actor: 'kim' }, { type: 'Resume' });
    expect(await world.split('catalog')).toEqual({ v1: 95, v2: 5 });
    await world.app.byHand('shop', 'catalog', { id: 'h2', actor: 'kim' }, { type: 'Abort' });
    expect(await world.split('catalog')).toEqual({ v1: 100 });
  });
});

describe('telling people', () => {
  it('happens once for each thing, with an id of its own', async () => {
    const world = await shop();
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    await world.after(MINUTE);
    expect(world.topics()).toEqual(['started']);
    expect(world.cards[0]).toMatchObject({ mesh: 'shop', service: 'catalog', at: T0, data: { version: 'v2', weight: 5, stable: 'v1' } });
    await world.app.byHand('shop', 'catalog', { id: 'h1', actor: 'kim' }, { type: 'Abort', reason: 'wrong build' });
    expect(world.topics()).toEqual(['started', 'returned']);
    expect(new Set(world.cards.map(({ id }) => id)).size).toBe(2);
  });

  it('is tried again when the channel asks for it, under the same id', async () => {
    const world = await shop();
    world.answer = () => ({ kind: 'later', afterMs: 30_000, error: 'too many requests' });
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    await world.seen('shop');
    expect(await world.owed('catalog')).toEqual([expect.stringMatching(/^card /)]);
    await world.after(29_999);
    expect(world.cards).toHaveLength(1);
    world.answer = () => ({ kind: 'sent' });
    await world.after(1);
    expect(new Set(world.cards.map(({ id }) => id)).size).toBe(1);
    expect(world.cards).toHaveLength(2);
    expect(await world.owed('catalog')).toEqual([]);
  });

  it('is given up, aloud, when the channel refuses it', async () => {
    const world = await shop();
    world.answer = () => ({ kind: 'refused', error: 'the webhook is gone' });
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    await world.seen('shop');
    expect(world.problems).toEqual(['A card about catalog (started) was given up.']);
    expect(await world.owed('catalog')).toEqual([]);
  });

  it('is given up after twelve tries, and never holds up anything else', async () => {
    const world = await shop();
    world.answer = () => {
      throw new Error('no answer');
    };
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    expect(await world.split('catalog')).toEqual({ v1: 95, v2: 5 });
    await world.seen('shop');
    expect(await phaseOf(world)).toBe('holding');
    for (let minutes = 0; minutes < 4; minutes += 1) await world.after(MINUTE);
    expect(await world.owed('catalog')).toHaveLength(1);
    const first = world.cards[0]?.id;
    for (let minutes = 0; minutes < 16; minutes += 1) await world.after(MINUTE);
    expect(world.cards.filter(({ id }) => id === first)).toHaveLength(12);
  });

  it('is settled when it was told, however long a data plane takes: the sweep does not tell it again', async () => {
    const { world, edge } = await scripted();
    let answer = () => {};
    edge.answers = new Promise((resolve) => (answer = resolve));
    const deploying = world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    // The card was sent and west serves it: only edge is still owed something.
    await vi.waitUntil(async () => (await world.owed('catalog')).join() === 'serve edge');
    expect(world.topics()).toEqual(['started']);
    world.now += CLAIM_MS;
    answer();
    await Promise.all([deploying, world.app.sweep()]);
    expect(world.topics()).toEqual(['started']);
    expect(await world.owed('catalog')).toEqual([]);
  });

  it('of a mesh without a channel is nothing owed', async () => {
    const world = await shop({ channel: () => undefined });
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    await world.seen('shop');
    expect(await world.owed('catalog')).toEqual([]);
  });
});

describe('handing a spec over', () => {
  it('to one service does not wait for another whose hand-over fails, and that one is tried again', async () => {
    const store = new MemoryDocuments();
    const world = new World({ documents: store });
    let failing = true;
    const flaky = world.instance({
      ...forwarding(store),
      batch: async (partition, operations) => {
        if (failing && partition === 'service/shop/cart') throw new Error('no answer');
        return store.batch(partition, operations);
      },
    });
    expect(await flaky.apply([meshFile('shop'), serviceFile('cart'), serviceFile('catalog')], { actor: 'kim' })).toMatchObject({
      ok: true,
    });
    expect(await world.split('catalog')).toEqual({ v1: 100 });
    expect(await world.split('cart')).toEqual({});
    failing = false;
    await world.after(1000);
    expect(await world.split('cart')).toEqual({ v1: 100 });
  });

  it('to ten services at once, so that one that is slow holds up no row of them', async () => {
    const names = Array.from({ length: 25 }, (_, index) => `s${index}`);
    const store = new MemoryDocuments();
    const world = new World({ documents: store });
    let answer = () => {};
    const answers = new Promise<void>((resolve) => (answer = resolve));
    const slow = world.instance({
      ...forwarding(store),
      batch: async (partition, operations) => {
        if (partition === 'service/shop/s0') await answers;
        return store.batch(partition, operations);
      },
    });
    const applying = slow.apply([meshFile('shop'), ...names.map((name) => serviceFile(name))], { actor: 'kim' });
    const handedOver = async () => (await world.app.status()).filter(({ stable }) => stable === 'v1').length;
    await vi.waitUntil(async () => (await handedOver()) === 9);
    answer();
    expect(await applying).toMatchObject({ ok: true });
    expect(await handedOver()).toBe(25);
  });
});

describe('a process that dies at any call while it serves a deployment', () => {
  it('leaves nothing undone that the sweep does not do, and writes each revision once', async () => {
    const counting = new UnreliableDocuments(new MemoryDocuments());
    const calm = await shop({ documents: counting });
    const prepared = counting.calls;
    await calm.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    const calls = counting.calls - prepared;
    expect(calls).toBeGreaterThan(10);

    for (let call = 0; call < calls; call += 1) {
      for (const when of ['before', 'after'] as const) {
        const world = await shop();
        const dying = world.instance(new UnreliableDocuments(world.documents, { call, when }));
        await dying.receiveEvent(deployment('1', 'catalog', 'v2')).catch(() => {});
        // Redelivered by whoever sent it, or else it would have been acknowledged; either way it is one deployment.
        await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
        await world.after(CLAIM_MS);
        await world.seen('shop');
        await world.after(CLAIM_MS);
        const place = `${when} call ${call}`;
        expect(await world.split('catalog'), place).toEqual({ v1: 95, v2: 5 });
        expect(await phaseOf(world), place).toBe('holding');
        expect(await world.owed('catalog'), place).toEqual([]);
        expect(new Set(world.cards.map(({ id }) => id)).size, place).toBe(1);
        const history = await world.app.history('shop', 'catalog', 0, 100);
        expect(
          history.filter(({ events }) => events.some(({ type }) => type === 'RolloutStarted')),
          place,
        ).toHaveLength(1);
      }
    }
  });
});
