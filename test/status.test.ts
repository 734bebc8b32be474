/** What the page shows, and what it costs the store when many look at it. */
import { describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../src/adapters/memory-documents.ts';
import { statusSchema } from '../src/cli/answers.ts';
import { statusText } from '../src/cli/status-text.ts';
import type { Documents } from '../src/journal/documents.ts';
import type { DataPlane } from '../src/reconcile/data-plane.ts';
import { forwarding } from './journal/unreliable-documents.ts';
import { deployment, meshFile, serviceFile, World } from './world.ts';

const SECOND = 1_000;
const versionOf = ({ services }: { readonly services: readonly { service: string; version: number }[] }, service: string) =>
  services.find((each) => each.service === service)?.version;

/** Two services at rest, and an app of its own whose reads are counted. */
async function watched() {
  const store = new MemoryDocuments();
  const world = new World({ documents: store });
  await world.apply(meshFile('shop'), serviceFile('cart'), serviceFile('catalog'));
  await world.seen('shop');
  const heads: string[] = [];
  const journals: { readonly partition: string; readonly after: number | undefined }[] = [];
  let away = false;
  const documents: Documents = {
    ...forwarding(store),
    read: async (partition, id) => {
      if (away) throw new Error('the store is away');
      if (id === 'head' && partition.startsWith('service/')) heads.push(partition);
      return store.read(partition, id);
    },
    list: async (query) => {
      if (query.kind === 'commit') journals.push({ partition: query.partition, after: query.after });
      return store.list(query);
    },
  };
  const goAway = (is: boolean) => {
    away = is;
  };
  return { world, page: world.instance(documents), heads, journals, goAway };
}

describe('the overview', () => {
  it('reads each head once a second, however many look, and shows what came a second later', async () => {
    const { world, page, heads } = await watched();
    const before = await Promise.all(Array.from({ length: 20 }, () => page.overview()));
    expect(heads.toSorted()).toEqual(['service/shop/cart', 'service/shop/catalog']);
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    world.now += SECOND - 1;
    expect(await page.overview()).toEqual(before[0]);
    expect(heads).toHaveLength(2);
    world.now += 1;
    const after = await page.overview();
    expect(heads).toHaveLength(4);
    expect(versionOf(after, 'catalog')).toBe((await world.app.service('shop', 'catalog'))?.version);
    expect(after.services.find(({ service }) => service === 'catalog')?.rollout?.candidate).toBe('v2');
  });

  it('reads of a journal only what came since, and of one that stands still nothing', async () => {
    const { world, page, journals } = await watched();
    const first = await page.overview();
    expect(journals).toHaveLength(2);
    world.now += SECOND;
    expect(await page.overview()).toEqual(first);
    expect(journals).toHaveLength(2);
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    world.now += SECOND;
    const { journal } = await page.overview();
    expect(journals.slice(2)).toEqual([{ partition: 'service/shop/catalog', after: versionOf(first, 'catalog') }]);
    const ofCatalog = journal.filter(({ stream }) => stream === 'service/shop/catalog').map(({ version }) => version);
    expect(ofCatalog).toEqual((await world.app.history('shop', 'catalog', 0, 100)).map(({ version }) => version).reverse());
  });

  it('shows the newest twenty of each service, however it came to know them', async () => {
    const { world, page } = await watched();
    for (let round = 0; round < 30; round += 1) {
      await world.app.receiveEvent(deployment(`${round}`, 'catalog', 'v2', { digest: `sha256:${round}` }));
      await world.app.byHand('shop', 'catalog', { id: `abort ${round}`, actor: 'kim' }, { type: 'Abort' });
      await world.seen('shop');
      world.now += SECOND;
      if (round % 3 === 0) await page.overview();
    }
    const anew = await world.instance().overview();
    expect(anew.journal.filter(({ stream }) => stream === 'service/shop/catalog')).toHaveLength(20);
    expect(await page.overview()).toEqual(anew);
  });

  it('is looked for anew when it could not be read, and forgets a service that is gone', async () => {
    const { world, page, goAway } = await watched();
    goAway(true);
    await expect(page.overview()).rejects.toThrow('the store is away');
    goAway(false);
    expect((await page.overview()).services).toHaveLength(2);
    await world.apply(meshFile('shop'), serviceFile('catalog'));
    world.now += SECOND;
    const { services, journal } = await page.overview();
    expect(services.map(({ service }) => service)).toEqual(['catalog']);
    expect(new Set(journal.map(({ stream }) => stream))).toEqual(new Set(['service/shop/catalog']));
  });
});

describe('the status of a service', () => {
  it('names the data planes of it where nobody looks what is served', async () => {
    const dataPlane: DataPlane = {
      apply: async () => ({ kind: 'applied' }),
      observe: async () => ({ kind: 'unobserved', reason: 'the mesh says so' }),
      readiness: async () => ({}),
    };
    const world = new World({ connect: () => dataPlane });
    const blind = '  - { name: west, kind: istio, observe: false }\n  - { name: south, kind: linkerd, observe: false }\n';
    const mesh = meshFile('shop', ['edge']);
    await world.apply(
      { ...mesh, text: `${mesh.text}${blind}  - { name: east, kind: istio }\n` },
      serviceFile('catalog', 'rollout: canary\ndataPlanes: [edge, east, west]'),
    );
    const [catalog] = await world.app.status();
    expect(catalog?.unobserved).toEqual(['west']);
    expect((await world.app.service('shop', 'catalog'))?.unobserved).toEqual(['west']);
    expect(statusText([answerOf(catalog)], world.now)).toContain('observed: no on west (what was applied counts)');
  });
});

const answerOf = (status: unknown) => statusSchema.shape.services.element.parse(status);
