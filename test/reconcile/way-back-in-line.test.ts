/** A way back among writers of one process, one of whom lost a race and is now stuck in a call to the store. */
import { describe, expect, it, vi } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import type { App } from '../../src/app.ts';
import type { Documents } from '../../src/journal/documents.ts';
import { readFragment } from '../../src/reconcile/model.ts';
import { forwarding } from '../journal/unreliable-documents.ts';
import { deployment, meshFile, serviceFile, World } from '../world.ts';

/** The next write to `partition` comes too late, and the one after that is not answered before `answer` is called. */
function stuckAt(store: Documents, partition: string) {
  let writes = 0;
  let answer = () => {};
  const answered = new Promise<void>((resolve) => (answer = resolve));
  const documents: Documents = {
    ...forwarding(store),
    async batch(written, operations) {
      if (written === partition) writes += 1;
      if (written === partition && writes === 1) return { outcome: 'stale', index: 0 };
      if (written === partition && writes === 2) await answered;
      return store.batch(written, operations);
    },
  };
  return { documents, isStuck: () => writes >= 2, answer: () => answer() };
}

async function twoServices(): Promise<World> {
  const world = new World({ documents: new MemoryDocuments() });
  await world.apply(meshFile('shop'), serviceFile('catalog'), serviceFile('cart'));
  await world.seen('shop');
  await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
  expect(await world.split('catalog')).toEqual({ v1: 95, v2: 5 });
  return world;
}

const abort = (app: App) => app.byHand('shop', 'catalog', { id: 'abort', actor: 'kim' }, { type: 'Abort' });

describe('a way back', () => {
  it('is decided while another decision about the service is stuck', async () => {
    const world = await twoServices();
    const stuck = stuckAt(world.documents, 'service/shop/catalog');
    const app = world.instance(stuck.documents);
    const pausing = app.byHand('shop', 'catalog', { id: 'pause', actor: 'kim' }, { type: 'Pause' });
    await vi.waitUntil(stuck.isStuck);
    const aborting = abort(app);
    await vi.waitUntil(async () => (await world.split('catalog')).v1 === 100);
    stuck.answer();
    expect(await aborting).toMatchObject({ outcome: 'accepted' });
    await pausing;
  });

  it('is written for the data planes while a fragment of another service is stuck', async () => {
    const world = await twoServices();
    const stuck = stuckAt(world.documents, 'model/shop');
    const app = world.instance(stuck.documents);
    const deploying = app.receiveEvent(deployment('2', 'cart', 'v2'));
    await vi.waitUntil(stuck.isStuck);
    const aborting = abort(app);
    const served = async () => (await readFragment(world.documents, 'shop', 'catalog'))?.plan?.routes[0]?.split;
    await vi.waitUntil(async () => (await served())?.some(({ version, weight }) => version === 'v2' && weight === 0));
    stuck.answer();
    await Promise.all([aborting, deploying]);
  });
});
