/** Whom workloads trust, in the read model: it moves the mesh's one pointer, nothing older gets over it, and it is checked when read. */
import { describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import type { Documents } from '../../src/journal/documents.ts';
import { planService } from '../../src/plan/plan-service.ts';
import { fragmentsSince, readPointer, writeFragment } from '../../src/reconcile/model.ts';
import { fingerprintOf, readTrust, writeTrust } from '../../src/reconcile/model-trust.ts';
import { createAuthority } from '../dataplanes/envoy/identities.ts';
import { serviceSpec } from '../rollouts/story.ts';

const [first, second] = await Promise.all([createAuthority('first'), createAuthority('second')]);
const signer = { fingerprint: fingerprintOf(first.root), certificate: first.root };
const lives = { leafLifeMs: 60_000, skewMs: 15_000 };
const plan = planService('shop', serviceSpec(), { split: [{ version: 'v1', weight: 100 }] });

const write = (documents: Documents, revision: number, roots: readonly string[]) =>
  writeTrust(documents, { mesh: 'shop', trustDomain: 'mesh.example', revision, roots, signer, renewWithinMs: 5_000, lives });
const prints = (...authorities: readonly { readonly root: string }[]) => authorities.map(({ root }) => fingerprintOf(root));

describe('whom workloads trust', () => {
  it('is read as it was written, and is nothing before that', async () => {
    const documents = new MemoryDocuments();
    expect(await readTrust(documents, 'shop')).toBeUndefined();
    expect(await write(documents, 7, [first.root, second.root])).toEqual({ revision: 7, sequence: 1 });
    expect(await readTrust(documents, 'shop')).toEqual({
      mesh: 'shop',
      trustDomain: 'mesh.example',
      revision: 7,
      sequence: 1,
      roots: [first.root, second.root],
      fingerprints: prints(first, second),
      formerRoots: [],
      signer,
      renewWithinMs: 5_000,
      lives,
    });
    expect(await readTrust(documents, 'office')).toBeUndefined();
  });

  it('takes its place among the services of the mesh, whose readers are not shown it', async () => {
    const documents = new MemoryDocuments();
    const fragment = (revision: number) => writeFragment(documents, { mesh: 'shop', service: 'catalog', revision, plan });
    await fragment(1);
    expect(await write(documents, 1, [first.root])).toMatchObject({ sequence: 2 });
    expect(await fragment(2)).toMatchObject({ sequence: 3 });
    expect(await readPointer(documents, 'shop')).toBe(3);
    expect((await fragmentsSince(documents, 'shop', 0)).map(({ service, sequence }) => [service, sequence])).toEqual([['catalog', 3]]);
  });

  it('is not gone over by what was decided earlier, nor moved by the same again', async () => {
    const documents = new MemoryDocuments();
    await write(documents, 5, [first.root, second.root]);
    for (const late of [4, 5]) expect(await write(documents, late, [first.root])).toEqual({ revision: 5, sequence: 1 });
    expect((await readTrust(documents, 'shop'))?.fingerprints).toEqual(prints(first, second));
    expect(await readPointer(documents, 'shop')).toBe(1);
  });

  it('ends at the newest among racing writers, of it and of services, each at a sequence of its own', async () => {
    const documents = new MemoryDocuments();
    const written = await Promise.all(
      Array.from({ length: 10 }, async (_, index) => [
        await write(documents, index + 1, [first.root]),
        await writeFragment(documents, { mesh: 'shop', service: `s${index}`, revision: 1, plan }),
      ]),
    );
    expect((await readTrust(documents, 'shop'))?.revision).toBe(10);
    const services = written.map(([, fragment]) => fragment?.sequence);
    expect(new Set(services).size).toBe(10);
    expect(services).not.toContain((await readTrust(documents, 'shop'))?.sequence);
  });

  it('remembers which roots were trusted before', async () => {
    const documents = new MemoryDocuments();
    await write(documents, 1, [first.root]);
    await write(documents, 2, [first.root, second.root]);
    expect((await readTrust(documents, 'shop'))?.formerRoots).toEqual([]);
    await write(documents, 3, [second.root]);
    expect((await readTrust(documents, 'shop'))?.formerRoots).toEqual(prints(first));
    await write(documents, 4, [first.root]);
    expect((await readTrust(documents, 'shop'))?.formerRoots).toEqual(prints(second));
  });
});

describe('whom workloads trust, as an older build wrote it', () => {
  it('is read without what was not known then', async () => {
    const documents = new MemoryDocuments();
    await write(documents, 3, [first.root]);
    const found = await documents.read('model/shop', 'trust');
    if (!found) throw new Error('not written');
    const { lives: _unknown, ...body } = found.document.body;
    await documents.batch('model/shop', [{ op: 'upsert', document: { ...found.document, body } }]);
    const { lives: read, ...rest } = (await readTrust(documents, 'shop')) ?? {};
    expect(read).toBeUndefined();
    expect(rest).toMatchObject({ revision: 3, fingerprints: prints(first), renewWithinMs: 5_000 });
    expect(await write(documents, 4, [first.root])).toMatchObject({ revision: 4 });
    expect((await readTrust(documents, 'shop'))?.lives).toEqual(lives);
  });
});

describe('what is no trust', () => {
  it('is not written: a root that is no certificate', async () => {
    const documents = new MemoryDocuments();
    await expect(write(documents, 1, ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'])).rejects.toThrow();
    await expect(write(documents, 1, [])).rejects.toThrow('roots');
    expect(await readPointer(documents, 'shop')).toBe(0);
  });

  it('is said when it is read, and its revision is not gone over all the same', async () => {
    const documents = new MemoryDocuments();
    await write(documents, 3, [first.root]);
    const found = await documents.read('model/shop', 'trust');
    if (!found) throw new Error('not written');
    await documents.batch('model/shop', [
      { op: 'upsert', document: { ...found.document, body: { revision: 9, roots: { of: 'another build' } } } },
    ]);
    const said: string[] = [];
    expect(await readTrust(documents, 'shop', (message) => said.push(message))).toBeUndefined();
    expect(said).toEqual([expect.stringContaining('roots')]);
    await expect(readTrust(documents, 'shop')).rejects.toThrow('roots');
    expect(await write(documents, 8, [first.root])).toMatchObject({ revision: 9 });
    expect(await write(documents, 10, [first.root])).toMatchObject({ revision: 10 });
    expect((await readTrust(documents, 'shop'))?.revision).toBe(10);
  });
});
