/** `meshwright journal export`, `verify` and `import`: into a file, held against its chains, and into an empty installation. */
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deployment } from '../world.ts';
import { specFiles } from './api-server.ts';
import { type CliAtApi, startCliAtApi } from './cli-at-api.ts';

let at: CliAtApi;
let empty: CliAtApi;
let file: string;
beforeEach(async () => {
  [at, empty] = await Promise.all([startCliAtApi(), startCliAtApi()]);
  file = join(at.directory, 'journal.jsonl');
  expect(await at.api.app.apply(specFiles('shop', ['catalog', 'cart']), { actor: 'kim' })).toMatchObject({ ok: true });
  await at.api.app.receiveEvent(deployment('d1', 'catalog', 'v2'));
});
afterEach(async () => {
  await Promise.all([at.close(), empty.close()]);
});

const SUMMARY = /: \d+ commits of 3 streams and 3 documents, exported .*; every chain holds\./;

describe('journal export', () => {
  it('writes a file that verifies, and is restored into an empty installation', async () => {
    const out = expect.stringMatching(SUMMARY);
    expect(await at.cli('journal', 'export', file)).toEqual({ code: 0, out, err: '' });
    expect(await at.cli('journal', 'verify', file)).toEqual({ code: 0, out, err: '' });
    expect(await empty.cli('journal', 'import', file)).toEqual({ code: 0, out, err: '' });
    const [here, there] = await Promise.all(
      [at, empty].map(async ({ api: { app } }) => [
        await app.history('shop', 'catalog', 0, 100),
        await app.history('shop', undefined, 0, 100),
      ]),
    );
    expect(there).toEqual(here);
    expect((await empty.api.app.meshes()).map(({ mesh, services }) => [mesh, services.map(({ name }) => name).sort()])).toEqual([
      ['shop', ['cart', 'catalog']],
    ]);
  });

  it('writes over nothing, and leaves nothing behind where it fails', async () => {
    await writeFile(file, 'mine');
    expect(await at.cli('journal', 'export', file)).toMatchObject({ code: 1, err: expect.stringContaining('EEXIST') });
    expect(await readFile(file, 'utf8')).toBe('mine');
    const other = join(at.directory, 'other.jsonl');
    at.api.override = { status: 503, headers: {}, body: '{}' };
    expect(await at.cli('journal', 'export', other)).toMatchObject({ code: 1 });
    await expect(access(other)).rejects.toThrow();
  });
});

describe('journal verify', () => {
  it('names the line where it was changed, and nothing of it is restored', async () => {
    await at.cli('journal', 'export', file);
    const lines = (await readFile(file, 'utf8')).split('\n');
    const index = lines.findIndex((line) => line.includes('"kind":"commit"') && line.includes('kim'));
    await writeFile(file, lines.with(index, (lines[index] ?? '').replace('"actor":"kim"', '"actor":"eve"')).join('\n'));
    const said = {
      code: 1,
      out: '',
      err: expect.stringMatching(new RegExp(`line ${index + 1}: Commit 1 of mesh/shop was changed after it was written\\.$`)),
    };
    expect(await at.cli('journal', 'verify', file)).toEqual(said);
    expect(await empty.cli('journal', 'import', file)).toEqual(said);
    expect(empty.api.asked).toEqual([]);
  });

  it('says that a file was cut off, or is no archive, or is not there', async () => {
    await at.cli('journal', 'export', file);
    const lines = (await readFile(file, 'utf8')).split('\n');
    await writeFile(file, lines.slice(0, -2).join('\n'));
    expect(await at.cli('journal', 'verify', file)).toMatchObject({ code: 1, err: expect.stringContaining('it was cut off.') });
    await writeFile(file, '{}');
    expect(await at.cli('journal', 'verify', file)).toMatchObject({
      code: 1,
      err: expect.stringContaining('no journal that meshwright exported.'),
    });
    expect(await at.cli('journal', 'verify', join(at.directory, 'nowhere'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('ENOENT'),
    });
  });
});

describe('journal import', () => {
  it('is refused where there are meshes', async () => {
    await at.cli('journal', 'export', file);
    expect(await at.cli('journal', 'import', file)).toMatchObject({
      code: 1,
      err: expect.stringContaining('into an empty installation only.'),
    });
  });
});
