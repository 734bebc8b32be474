/** Where an Envoy is taken from, in which order, and what is said when there is none. */
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultCacheDir, envoyVersion, fetchEnvoy } from '../../src/local/envoy-binary.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'meshwright-envoy-binary-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function binary(...path: string[]): Promise<string> {
  const file = join(directory, ...path);
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, '#!/bin/sh\n');
  await chmod(file, 0o755);
  return file;
}

const said: string[] = [];
const ask = (more: { named?: string; searchPath?: string }) =>
  fetchEnvoy({ cacheDir: join(directory, 'cache'), onProgress: (one) => said.push(one), ...more });

describe('finding Envoy', () => {
  it('takes the one that is named, before every other', async () => {
    const named = await binary('named', 'my-envoy');
    await binary('bin', 'envoy');
    expect(await ask({ named, searchPath: join(directory, 'bin') })).toEqual({ ok: true, path: named });
  });

  it('refuses one that is named and cannot be executed, rather than take another', async () => {
    await binary('bin', 'envoy');
    const named = join(directory, 'nowhere');
    expect(await ask({ named, searchPath: join(directory, 'bin') })).toMatchObject({ ok: false, reason: 'EnvoyNotExecutable' });
  });

  it('takes the first on PATH', async () => {
    const second = await binary('second', 'envoy');
    await binary('third', 'envoy');
    const searchPath = ['first', 'second', 'third'].map((one) => join(directory, one)).join(delimiter);
    expect(await ask({ searchPath })).toEqual({ ok: true, path: second });
  });

  it('takes what was fetched before, without a word', async () => {
    const fetched = await binary('cache', `envoy-${envoyVersion}`, 'envoy', '_bin', 'envoy');
    said.length = 0;
    expect(await ask({ searchPath: '' })).toEqual({ ok: true, path: fetched });
    expect(said).toEqual([]);
  });

  it('keeps what it fetches in the cache of the user', () => {
    expect(defaultCacheDir('/c')).toBe(join('/c', 'meshwright'));
    expect(defaultCacheDir('')).toMatch(/\.cache.meshwright$/);
  });
});

describe('a Python that cannot fetch', () => {
  const { PATH } = process.env;
  afterEach(() => {
    process.env.PATH = PATH;
  });

  it.runIf(process.platform === 'linux')('is said in one sentence, and nothing half is left in the cache', async () => {
    const python = await binary('bin', 'python3');
    await writeFile(python, '#!/bin/sh\ncase "$*" in *--version*) exit 0;; esac\necho "no network" >&2\nexit 1\n');
    process.env.PATH = join(directory, 'bin') + delimiter + PATH;
    expect(await ask({})).toMatchObject({ ok: false, reason: 'FetchFailed', message: expect.stringContaining('no network') });
    expect(await readdir(join(directory, 'cache'))).toEqual([]);
    await writeFile(python, '#!/bin/sh\nexit 1\n');
    expect(await ask({})).toMatchObject({ ok: false, reason: 'PipMissing' });
  });
});
