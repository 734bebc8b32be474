/** The journal out of one installation and into an empty one: it serves there what it served here, and by its own chains. */
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../src/adapters/memory-documents.ts';
import type { Archive, RestoreAnswer } from '../src/archive.ts';
import { type ArchivedDocument, type ArchivedStream, ArchiveReader, ArchiveWriter } from '../src/journal/archive.ts';
import type { JsonObject } from '../src/journal/documents.ts';
import { hashJson } from '../src/journal/hash.ts';
import { verifyChain } from '../src/journal/history.ts';
import { GENESIS_HASH } from '../src/journal/stream.ts';
import { readPointer } from '../src/reconcile/model.ts';
import { serviceStream } from '../src/rollouts/service-stream.ts';
import { meshStream } from '../src/spec/adoption.ts';
import { deployment, MINUTE, meshFile, serviceFile, World } from './world.ts';

interface Exported {
  readonly streams: readonly ArchivedStream[];
  readonly commits: ReadonlyMap<string, readonly JsonObject[]>;
  readonly documents: readonly ArchivedDocument[];
}

async function exported(archive: Archive): Promise<Exported> {
  const streams = await archive.streams();
  const commits = new Map(await Promise.all(streams.map(async ({ stream }) => [stream, await archive.commits(stream, 0, 1_000)] as const)));
  return { streams, commits, documents: await archive.documents('shop') };
}

async function restore(archive: Archive, { streams, commits, documents }: Exported): Promise<RestoreAnswer> {
  for (const { stream } of streams) {
    for (const commit of commits.get(stream) ?? []) {
      const answer = await archive.restore({ kind: 'commits', stream, commits: [commit] });
      if (!answer.ok) return answer;
    }
  }
  for (const document of documents) {
    const answer = await archive.restore({ kind: 'documents', documents: [document] });
    if (!answer.ok) return answer;
  }
  for (const head of streams) {
    const answer = await archive.restore({ kind: 'head', head });
    if (!answer.ok) return answer;
  }
  return archive.restore({ kind: 'meshes', meshes: ['shop'] });
}

/** As if they had been written so: each with the hash of what it holds. */
function rechained(commits: readonly JsonObject[]): readonly JsonObject[] {
  let prevHash = GENESIS_HASH;
  return commits.map(({ hash: _, ...commit }) => {
    const unsigned = { ...commit, prevHash };
    prevHash = hashJson(unsigned);
    return { ...unsigned, hash: prevHash };
  });
}

/** Two services, one of them amid a rollout, one gone from the spec since. */
async function running(): Promise<World> {
  const world = new World();
  await world.apply(meshFile('shop'), serviceFile('catalog'), serviceFile('cart'));
  await world.seen('shop');
  await world.app.receiveEvent(deployment('d1', 'catalog', 'v2'));
  await world.seen('shop');
  await world.tick('shop');
  await world.apply(meshFile('shop'), serviceFile('catalog'));
  await world.seen('shop');
  return world;
}

describe('a journal that was exported', () => {
  let world: World;
  let archived: Exported;
  beforeEach(async () => {
    world = await running();
    archived = await exported(world.app.archive);
  });

  it('has every stream there ever was, and what its events name', () => {
    expect(archived.streams.map(({ stream }) => stream)).toEqual(['mesh/shop', 'service/shop/cart', 'service/shop/catalog']);
    expect(archived.documents.map(({ kind }) => kind).sort()).toEqual(['pointer', 'service-spec', 'service-spec']);
  });

  it('restored into an empty store is the same journal, and stands where it stood', async () => {
    const other = new World({ documents: new MemoryDocuments() });
    other.now = world.now;
    expect(await restore(other.app.archive, archived)).toEqual({ ok: true });
    expect(await exported(other.app.archive)).toMatchObject({ commits: archived.commits });
    expect(await verifyChain(other.documents, serviceStream, 'service/shop/catalog')).toMatchObject({ holds: true });
    expect(await verifyChain(other.documents, meshStream, 'mesh/shop')).toMatchObject({ holds: true });
    const [before, after] = await Promise.all([world.app.service('shop', 'catalog'), other.app.service('shop', 'catalog')]);
    expect(after).toMatchObject({ stable: before?.stable, rollout: before?.rollout, split: before?.split });
    // What was answered is answered again.
    expect(await other.app.receiveEvent(deployment('d1', 'catalog', 'v2'))).toMatchObject({ answers: [{ repeated: true }] });
  });

  it('restored brings every data plane what its services are at, in a model whose sequence never goes back, and goes on', async () => {
    const other = new World({ documents: new MemoryDocuments() });
    other.now = world.now;
    await restore(other.app.archive, archived);
    const before = await readPointer(world.documents, 'shop');
    expect(await readPointer(other.documents, 'shop')).toBe(before);
    await other.app.sweep();
    expect(await readPointer(other.documents, 'shop')).toBeGreaterThan(before);
    expect(await other.split('catalog')).toEqual(await world.split('catalog'));
    await other.seen('shop');
    for (let minute = 0; minute < 600 && (await other.app.service('shop', 'catalog'))?.rollout; minute += 1)
      await other.tick('shop', MINUTE);
    expect(await other.app.service('shop', 'catalog')).toMatchObject({ stable: 'v2', rollout: null });
  });

  it('is restored by the same steps however often each is given', async () => {
    const other = new World({ documents: new MemoryDocuments() });
    const { archive } = other.app;
    const twice: Archive = {
      ...archive,
      restore: async (step) => {
        const first = await archive.restore(step);
        const second = step.kind === 'meshes' ? first : await archive.restore(step);
        return first.ok ? second : first;
      },
    };
    expect(await restore(twice, archived)).toEqual({ ok: true });
    expect(await verifyChain(other.documents, serviceStream, 'service/shop/catalog')).toMatchObject({ holds: true });
  });

  it('is not restored where there is a mesh', async () => {
    const other = await new World().apply(meshFile('shop'), serviceFile('catalog'));
    expect(await restore(other.app.archive, archived)).toMatchObject({ ok: false, reason: 'NotEmpty' });
    expect(await restore(world.app.archive, archived)).toMatchObject({ ok: false, reason: 'NotEmpty' });
  });

  it('is not restored beside the streams of another', async () => {
    const other = new World({ documents: new MemoryDocuments() });
    const stream = 'service/shop/cart';
    const commits = archived.commits.get(stream) ?? [];
    const elsewhere = rechained(commits.map((commit) => ({ ...commit, actor: 'somebody' })));
    expect(await other.app.archive.restore({ kind: 'commits', stream, commits: elsewhere })).toEqual({ ok: true });
    expect(await other.app.archive.restore({ kind: 'commits', stream, commits })).toMatchObject({ ok: false, reason: 'NotEmpty' });
    expect(await other.app.archive.commits(stream, 0, 100)).toEqual(elsewhere);
  });

  it.each<[string, (commits: readonly JsonObject[]) => readonly JsonObject[]]>([
    ['changed', ([first, ...others]) => [{ ...first, actor: 'mallory' }, ...others]],
    ['without its first', ([, ...others]) => others],
    ['without one between', ([first, , ...others]) => [first ?? {}, ...others]],
    ['in another order', ([first, second, ...others]) => [second ?? {}, first ?? {}, ...others]],
    ['without its last', (commits) => commits.slice(0, -1)],
  ])('is not restored %s', async (_, change) => {
    const other = new World({ documents: new MemoryDocuments() });
    const stream = 'service/shop/catalog';
    const commits = new Map([...archived.commits, [stream, change(archived.commits.get(stream) ?? [])]]);
    expect(await restore(other.app.archive, { ...archived, commits })).toMatchObject({ ok: false, reason: 'ChainBroken' });
    expect(await other.app.meshes()).toEqual([]);
  });

  it('with events that this version does not know is not restored, and nothing is lost of it', async () => {
    const other = new World({ documents: new MemoryDocuments() });
    const stream = 'service/shop/catalog';
    const [first, ...others] = archived.commits.get(stream) ?? [];
    const commits = rechained([{ ...first, events: [{ type: 'Teleported' }] }, ...others]);
    const last = commits.at(-1);
    const streams = archived.streams.map((each) => (each.stream === stream ? { ...each, hash: `${last?.hash}` } : each));
    const newer = { ...archived, streams, commits: new Map([...archived.commits, [stream, commits]]) };
    expect(await restore(other.app.archive, newer)).toMatchObject({ ok: false, reason: 'NewerEvents' });
    expect(await other.app.archive.commits(stream, 0, 100)).toEqual(commits);
    expect(await other.app.meshes()).toEqual([]);
  });

  it('takes no other documents', async () => {
    const other = new World({ documents: new MemoryDocuments() });
    for (const document of [
      { partition: 'service/shop/catalog', id: 'head', kind: 'head', ordinal: 1, body: {} },
      { partition: 'meshes', id: 'shop', kind: 'mesh', ordinal: 0, body: {} },
      { partition: 'model/shop', id: 'x', kind: 'fragment', ordinal: 1, body: {} },
    ]) {
      expect(await other.app.archive.restore({ kind: 'documents', documents: [document] })).toMatchObject({ reason: 'NotRestorable' });
    }
  });
});

describe('an archive', () => {
  const lines = (archived: Exported): string[] => {
    const writer = new ArchiveWriter();
    const written = [writer.begin(1_000)];
    for (const stream of archived.streams) {
      written.push(writer.line({ kind: 'stream', ...stream }));
      for (const body of archived.commits.get(stream.stream) ?? [])
        written.push(writer.line({ kind: 'commit', stream: stream.stream, body }));
    }
    for (const document of archived.documents) written.push(writer.line({ kind: 'document', document }));
    return [...written, writer.end()];
  };
  /** The first problem, or the summary. */
  const readAll = (written: readonly string[]) => {
    const reader = new ArchiveReader();
    for (const line of written) {
      const read = reader.read(line);
      if ('reason' in read) return read;
    }
    return reader.finish();
  };

  it('reads as it was written', async () => {
    const archived = await exported((await running()).app.archive);
    const commits = [...archived.commits.values()].flat().length;
    expect(readAll(lines(archived))).toEqual({ exportedAt: 1_000, streams: 3, commits, documents: 3 });
  });

  it('of which any line is left out, doubled or swapped with the next does not verify', async () => {
    const written = lines(await exported((await running()).app.archive));
    for (let index = 0; index < written.length; index += 1) {
      const line = written[index] ?? '';
      const next = written[index + 1];
      expect(readAll(written.toSpliced(index, 1)), `without line ${index + 1}`).toHaveProperty('reason');
      expect(readAll(written.toSpliced(index, 0, line)), `line ${index + 1} twice`).toHaveProperty('reason');
      if (next !== undefined)
        expect(readAll(written.toSpliced(index, 2, next, line)), `line ${index + 1} after its next`).toHaveProperty('reason');
    }
  });

  it('of which anything is changed does not verify, also what no chain holds', async () => {
    const written = lines(await exported((await running()).app.archive));
    for (const [index, line] of written.entries()) {
      const changed = line.replace(/catalog|shop|1000|[0-9a-f]{8}/, (found) => [...found].reverse().join(''));
      if (changed !== line) expect(readAll(written.toSpliced(index, 1, changed)), `line ${index + 1}`).toHaveProperty('reason');
    }
  });

  it.each([
    ['nothing at all', [], 'NotAnArchive'],
    ['something else', ['{"hello":1}'], 'NotAnArchive'],
    ['no JSON', ['hello'], 'NotAnArchive'],
    ['of a newer version', ['{"kind":"meshwright-journal","format":2,"exportedAt":1}'], 'NewerFormat'],
    ['cut off', ['{"kind":"meshwright-journal","format":1,"exportedAt":1}'], 'CutOff'],
    ['with a line of nothing', ['{"kind":"meshwright-journal","format":1,"exportedAt":1}', '{"kind":"wish"}'], 'NotALine'],
  ])('is refused when it is %s', (_, written, reason) => {
    expect(readAll(written)).toMatchObject({ reason });
  });
});
