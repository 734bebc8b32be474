/**
 * Disaster recovery, rehearsed: an installation over SQLite is lost, its journal is restored into an empty Cosmos DB account in bad
 * weather, and the rollout that was under way there goes on here to its end.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureContainer, openCosmosDocuments } from '../src/adapters/cosmos-documents.ts';
import { SqliteDocuments } from '../src/adapters/sqlite-documents.ts';
import { verifyChain } from '../src/journal/history.ts';
import { serviceStream } from '../src/rollouts/service-stream.ts';
import { missingCosmosEmulator } from './emulators/cosmos/build.ts';
import { startFaultyCosmos } from './emulators/cosmos/faults.ts';
import { type CosmosEmulator, startCosmosEmulator } from './emulators/cosmos/start.ts';
import { weatherOf } from './emulators/cosmos/weather.ts';
import { isMissing } from './emulators/missing.ts';
import { deployment, meshFile, serviceFile, World } from './world.ts';

const missing = isMissing(await missingCosmosEmulator());

describe.skipIf(missing)('with the Cosmos DB stand-in', () => {
  let emulator: CosmosEmulator;
  beforeAll(async () => {
    emulator = await startCosmosEmulator();
  }, 900_000);
  afterAll(() => emulator?.stop());

  it('a rollout whose installation was lost goes on in an empty account', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'meshwright-recovery-'));
    const sqlite = new SqliteDocuments(join(directory, 'state.db'));
    const lost = new World({ documents: sqlite });
    await lost.apply(meshFile('shop'), serviceFile('catalog'), serviceFile('cart'));
    await lost.seen('shop');
    await lost.app.receiveEvent(deployment('d1', 'catalog', 'v2'));
    await lost.seen('shop');
    await lost.tick('shop');
    const streams = await lost.app.archive.streams();
    const commits = await Promise.all(streams.map(({ stream }) => lost.app.archive.commits(stream, 0, 1_000)));
    const kept = await lost.app.archive.documents('shop');
    const standing = await lost.app.service('shop', 'catalog');
    expect(standing?.rollout).not.toBeNull();
    sqlite.close();
    await rm(directory, { recursive: true });

    const account = { credential: { key: 'bm8ga2V5' }, database: 'meshwright', container: randomUUID() };
    await ensureContainer({ ...account, endpoint: emulator.endpoint });
    const faulty = await startFaultyCosmos(emulator);
    const limits = { budget: 120_000, answer: 60_000, firstPause: 2 };
    const documents = await openCosmosDocuments({ ...account, endpoint: faulty.endpoint }, Date.now, limits);
    try {
      faulty.inject(weatherOf(6, 0.2).of);
      const found = new World({ documents });
      found.now = lost.now;
      const { archive } = found.app;
      for (const [index, { stream }] of streams.entries()) {
        expect(await archive.restore({ kind: 'commits', stream, commits: commits[index] ?? [] })).toEqual({ ok: true });
      }
      for (const document of kept) {
        // Blind writes are not sent twice by the store; whoever imports gives the step again.
        const restore = () => archive.restore({ kind: 'documents', documents: [document] });
        expect(await restore().catch(restore)).toEqual({ ok: true });
      }
      for (const head of streams) expect(await archive.restore({ kind: 'head', head })).toEqual({ ok: true });
      faulty.inject(() => undefined);
      expect(await archive.restore({ kind: 'meshes', meshes: ['shop'] })).toEqual({ ok: true });

      expect(await found.app.service('shop', 'catalog')).toMatchObject({ rollout: standing?.rollout, split: standing?.split });
      for (const { stream, version } of streams.filter((each) => each.stream.startsWith('service/'))) {
        expect(await verifyChain(documents, serviceStream, stream)).toEqual({ holds: true, commits: version });
      }
      await found.app.sweep();
      expect(await found.split('catalog')).toEqual(Object.fromEntries((standing?.split ?? []).map((each) => [each.version, each.weight])));
      await found.seen('shop');
      for (let minute = 0; minute < 600 && (await found.app.service('shop', 'catalog'))?.rollout; minute += 1) await found.tick('shop');
      expect(await found.app.service('shop', 'catalog')).toMatchObject({ stable: 'v2', rollout: null });
    } finally {
      documents.close();
      await faulty.stop();
    }
  }, 120_000);
});
