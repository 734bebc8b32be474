/** The anchors of an installation in a container of Azurite: one a day, never written over, and read from there by the command line. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContainerClient, ContainerSASPermissions, StorageSharedKeyCredential } from '@azure/storage-blob';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { anchorBlobs, keptAnchors } from '../../src/adapters/anchor-blobs.ts';
import { openContainer } from '../../src/adapters/dead-letter-blobs.ts';
import { readAnchor } from '../../src/journal/anchors.ts';
import { startCliAtApi } from '../cli/cli-at-api.ts';
import { isMissing } from '../emulators/missing.ts';
import { missingStorageEmulator } from '../emulators/storage/install.ts';
import { ACCOUNT, ACCOUNT_KEY, type StorageEmulator, startStorageEmulator } from '../emulators/storage/start.ts';
import { deployment, meshFile, serviceFile, World } from '../world.ts';

const missing = isMissing(await missingStorageEmulator());

const DAY = 24 * 3_600_000;

it('an installation that names no container is anchored nowhere, and says so', async () => {
  expect(await new World().app.archive.anchor()).toEqual({ outcome: 'nowhere' });
});

describe.skipIf(missing)('with Azurite', () => {
  let storage: StorageEmulator;
  let container: ContainerClient;
  let world: World;
  beforeAll(async () => {
    storage = await startStorageEmulator();
  }, 300_000);
  afterAll(() => storage?.stop());
  beforeEach(async () => {
    container = await openContainer(`${storage.blobs}/anchors-${randomUUID()}`, new StorageSharedKeyCredential(ACCOUNT, ACCOUNT_KEY));
    await container.create();
    world = new World({ anchors: anchorBlobs(async () => container) });
    world.now = Date.parse('2026-11-22T00:20:00Z');
    await world.apply(meshFile('shop'), serviceFile('catalog'));
    await world.seen('shop');
  });

  const kept = async () =>
    (await keptAnchors(container.url, new StorageSharedKeyCredential(ACCOUNT, ACCOUNT_KEY))).map(({ day, text }) => readAnchor(day, text));

  it('a day is anchored once, with the head of every stream; the next has its own', async () => {
    const { archive } = world.app;
    const heads = (await archive.streams()).map(({ stream, version, hash }) => ({ stream, version, hash }));
    expect(heads.map(({ stream }) => stream)).toEqual(['mesh/shop', 'service/shop/catalog']);
    expect(await archive.anchor()).toEqual({ outcome: 'written', day: '2026-11-22', streams: 2 });
    await world.app.receiveEvent(deployment('d1', 'catalog', 'v2'));
    expect(await archive.anchor()).toEqual({ outcome: 'there', day: '2026-11-22' });
    expect(await kept()).toMatchObject([{ day: '2026-11-22', at: world.now, heads }]);
    world.now += DAY;
    expect(await archive.anchor()).toEqual({ outcome: 'written', day: '2026-11-23', streams: 2 });
    expect(await kept()).toMatchObject([{ heads }, { day: '2026-11-23' }]);
  });

  it('is written by one of two at once', async () => {
    const outcomes = await Promise.all([world.app.archive.anchor(), world.app.archive.anchor()]);
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['there', 'written']);
  });

  it('throws where there is no container, so that the timer fails and is seen', async () => {
    await container.delete();
    await expect(world.app.archive.anchor()).rejects.toThrow();
  });

  it('is read from its container by the command line, by a signature in the address, which is not shown', async () => {
    const at = await startCliAtApi();
    const folder = await mkdtemp(join(tmpdir(), 'meshwright-anchored-'));
    try {
      // Anchored here, exported there: streams that are another journal's.
      await world.app.archive.anchor();
      await at.api.app.apply([meshFile('shop'), serviceFile('catalog')], { actor: 'eve' });
      await at.cli('journal', 'export', join(folder, 'journal.jsonl'));
      const permissions = ContainerSASPermissions.parse('rl');
      const signed = await container.generateSasUrl({ permissions, expiresOn: new Date(Date.now() + DAY) });
      const verify = (where: string) => at.cli('journal', 'verify', join(folder, 'journal.jsonl'), '--anchors', where);
      expect(await verify(signed)).toMatchObject({ code: 1, err: expect.stringContaining('mesh/shop was rewritten: version 1') });
      const refused = await verify(signed.replace(/sig=[^&]+/, 'sig=bm9uZQ%3D%3D'));
      expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('cannot be read; sign in') });
      expect(refused.err).not.toContain('sig=');
    } finally {
      await at.close();
      await rm(folder, { recursive: true });
    }
  });
});
