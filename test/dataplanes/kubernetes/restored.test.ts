/** What becomes of objects that were written after the state that was restored: docs/break-glass.md says the same. */
import { beforeEach, describe, expect, it } from 'vitest';
import { RENDERED_KINDS, SELECTING_KINDS, SPLITS, VIRTUAL_SERVICE } from '../../../src/dataplanes/istio/kinds.ts';
import { renderIstio } from '../../../src/dataplanes/istio/render.ts';
import { type Bringing, bring } from '../../../src/dataplanes/kubernetes/apply.ts';
import { storedDrift } from '../../../src/dataplanes/kubernetes/drift.ts';
import { MemoryCluster } from './memory-cluster.ts';
import { planOf } from './requests.ts';

const LATER = 9;
const RESTORED = 3;

const bringing = (revision: number, connectTimeoutMs: number): Bringing => ({
  mesh: 'sample',
  service: 'catalog',
  revision,
  objects: renderIstio({ ...planOf([{ name: 'default', match: {} }]), connectTimeoutMs }),
  kinds: RENDERED_KINDS,
  naming: [VIRTUAL_SERVICE],
  splits: SPLITS,
  selecting: SELECTING_KINDS,
  decided: async () => revision,
  force: false,
  widened: (desired) => desired,
});
const restored = (revision = RESTORED): Bringing => bringing(revision, 1_000);

describe('a state that is older than what data planes have', () => {
  let cluster: MemoryCluster;
  beforeEach(async () => {
    cluster = new MemoryCluster();
    expect(await bring(cluster, bringing(LATER, 5_000))).toEqual({ kind: 'applied' });
  });

  const ours = async () => {
    const lists = await Promise.all(
      RENDERED_KINDS.map(async (kind) => (await cluster.list(kind, {})).objects.map((object) => ({ kind, object }))),
    );
    return lists.flat();
  };
  const texts = async () => JSON.stringify((await ours()).map(({ object }) => object));

  it('writes nothing over it, and says so when it is looked at', async () => {
    const before = await texts();
    const message = expect.stringContaining('The objects of catalog carry a later revision than there is here');
    expect(await bring(cluster, restored())).toEqual({ kind: 'refused', message });
    expect(await storedDrift(cluster, restored())).toEqual([{ kind: 'foreign', resource: 'catalog', message }]);
    expect(await texts()).toBe(before);
  });

  it('writes over it once as much was decided', async () => {
    expect(await bring(cluster, restored(LATER))).toEqual({ kind: 'applied' });
    expect(await storedDrift(cluster, restored(LATER))).toEqual([]);
  });

  it('writes over it once no object carries a revision', async () => {
    for (const { kind, object } of await ours()) {
      const { metadata } = object;
      const { 'meshwright.dev/revision': _revision, ...annotations } = metadata.annotations;
      const bare = { kind, metadata: { ...metadata, annotations }, content: {} };
      await cluster.apply(bare, { over: metadata, force: false, dryRun: false });
    }
    expect(await storedDrift(cluster, restored())).toEqual([expect.objectContaining({ kind: 'changed', restorable: true })]);
    expect(await bring(cluster, restored())).toEqual({ kind: 'applied' });
    expect(await storedDrift(cluster, restored())).toEqual([]);
  });
});
