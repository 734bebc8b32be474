/** `meshwright journal verify --anchors`: a journal that was made anew with chains that hold is found out, with the stream and the day. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Archive } from '../../src/archive.ts';
import { anchorOf } from '../../src/journal/anchors.ts';
import type { ArchivedStream } from '../../src/journal/archive.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import { hashJson } from '../../src/journal/hash.ts';
import { GENESIS_HASH } from '../../src/journal/stream.ts';
import { deployment } from '../world.ts';
import { specFiles } from './api-server.ts';
import { type CliAtApi, startCliAtApi } from './cli-at-api.ts';

const CATALOG = 'service/shop/catalog';
const CART = 'service/shop/cart';
const DAY = 24 * 3_600_000;
const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

let at: CliAtApi;
let other: CliAtApi;
let file: string;
let anchors: string;
let today: number;
beforeEach(async () => {
  [at, other] = await Promise.all([startCliAtApi(), startCliAtApi()]);
  file = join(at.directory, 'journal.jsonl');
  anchors = join(at.directory, 'anchors');
  today = Date.now();
  await mkdir(anchors);
  expect(await at.api.app.apply(specFiles('shop', ['catalog', 'cart']), { actor: 'kim' })).toMatchObject({ ok: true });
});
afterEach(async () => {
  await Promise.all([at.close(), other.close()]);
});

/** What the heads are now, as the anchor of a day; the past is told to it. */
async function anchored(archive: Archive, when: number): Promise<void> {
  const heads = (await archive.streams()).map(({ stream, version, hash }) => ({ stream, version, hash }));
  const { day, text } = anchorOf(when, heads);
  await writeFile(join(anchors, `${day}.json`), text);
}

const verified = async (by: CliAtApi, to = file) => {
  expect(await by.cli('journal', 'export', to)).toMatchObject({ code: 0 });
  expect(await by.cli('journal', 'verify', to)).toMatchObject({ code: 0, out: expect.stringContaining('every chain holds.') });
  return by.cli('journal', 'verify', to, '--anchors', anchors);
};

type Rewrite = (commits: readonly JsonObject[]) => readonly JsonObject[];

/** The journal of `at` in `other`, with one stream made anew: each commit with the hash of what it holds now, and a head that fits. */
async function madeAnew(stream: string, rewrite: Rewrite): Promise<void> {
  const { archive: from } = at.api.app;
  const { archive: to } = other.api.app;
  const heads: ArchivedStream[] = [];
  for (const head of await from.streams()) {
    let link = { version: 0, hash: GENESIS_HASH };
    const kept = await from.commits(head.stream, 0, 1_000);
    for (const { hash: _, ...commit } of head.stream === stream ? rewrite(kept) : kept) {
      const unsigned = { ...commit, version: link.version + 1, prevHash: link.hash };
      link = { version: unsigned.version, hash: hashJson(unsigned) };
      expect(await to.restore({ kind: 'commits', stream: head.stream, commits: [{ ...unsigned, hash: link.hash }] })).toEqual({ ok: true });
    }
    if (link.version > 0) heads.push({ ...head, ...link });
  }
  for (const document of await from.documents('shop')) await to.restore({ kind: 'documents', documents: [document] });
  for (const head of heads) expect(await to.restore({ kind: 'head', head })).toEqual({ ok: true });
  await to.restore({ kind: 'meshes', meshes: ['shop'] });
}

describe('journal verify --anchors', () => {
  it('says of which days it has every head, and of which there is no anchor', async () => {
    await anchored(at.api.app.archive, today - 3 * DAY);
    await at.api.app.receiveEvent(deployment('d1', 'catalog', 'v2'));
    await anchored(at.api.app.archive, today - DAY);
    await at.api.app.byHand('shop', 'catalog', { id: 'p1', actor: 'kim' }, { type: 'Pause', reason: 'lunch' });
    const [first, last, none] = [today - 3 * DAY, today - DAY, today - 2 * DAY].map(dayOf);
    expect(await verified(at)).toEqual({
      code: 0,
      out: expect.stringMatching(
        `every chain holds. Of 2 anchors from ${first} to ${last} it has every head. There is no anchor of ${none}.$`,
      ),
      err: '',
    });
  });

  it.each<[string, Rewrite, string]>([
    [
      'of which a commit names somebody else',
      (commits) => commits.map((commit) => ({ ...commit, actor: 'eve' })),
      'was rewritten: version 3 is another commit',
    ],
    ['that lost its last commit', (commits) => commits.slice(0, -1), 'was shortened: on DAY it was at version 3, and it ends at 2.'],
    ['that is gone', () => [], 'is gone: on DAY it was at version 3.'],
  ])('finds a stream %s, though every chain of it holds', async (_, rewrite, said) => {
    const day = dayOf(today - DAY);
    await at.api.app.receiveEvent(deployment('d1', 'catalog', 'v2'));
    await anchored(at.api.app.archive, today - DAY);
    await madeAnew(CATALOG, rewrite);
    const { code, out, err } = await verified(other);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err.split('\n').slice(1)).toEqual([expect.stringContaining(`${CATALOG} ${said.replace('DAY', day)}`)]);
    expect(err).toContain(day);
  });

  it('holds an export against no anchor that is newer, and says so', async () => {
    await anchored(at.api.app.archive, today - DAY);
    expect(await verified(at)).toMatchObject({ code: 0 });
    await at.api.app.receiveEvent(deployment('d1', 'catalog', 'v2'));
    await anchored(at.api.app.archive, today + DAY);
    expect(await at.cli('journal', 'verify', file, '--anchors', anchors)).toMatchObject({
      code: 0,
      out: expect.stringContaining('1 anchor is newer than the export: export again'),
    });
  });

  it('takes no anchor that is not as it was written', async () => {
    await anchored(at.api.app.archive, today - DAY);
    const one = join(anchors, `${dayOf(today - DAY)}.json`);
    await writeFile(one, (await readFile(one, 'utf8')).replace(CART, 'service/shop/cork'));
    expect(await verified(at)).toMatchObject({
      code: 1,
      err: expect.stringContaining(`The anchor of ${dayOf(today - DAY)} was changed after it was written.`),
    });
  });

  it('says where there are none, and that an address has to be one of https', async () => {
    expect(await verified(at)).toMatchObject({ code: 1, err: expect.stringContaining('There is no anchor in ') });
    const verify = (where: string) => at.cli('journal', 'verify', file, '--anchors', where);
    expect(await verify(join(at.directory, 'nowhere'))).toMatchObject({ code: 2, err: expect.stringContaining('ENOENT') });
    expect(await verify('http://shop.blob.core.windows.net/journal-anchors')).toMatchObject({
      code: 2,
      err: expect.stringContaining('must begin with https://'),
    });
  });
});
