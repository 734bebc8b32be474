/**
 * The folder that an export owns: exactly the files it wrote last, by name and content, listed in its `fidelity.json`. What
 * somebody else wrote or changed there is left alone unless it is to be overwritten.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Failure } from './failure.ts';

export const MANIFEST = 'fidelity.json';

const manifestSchema = z.looseObject({
  kind: z.literal('Fidelity'),
  /** SHA-256 by name; names that lead elsewhere are nobody's. */
  files: z.record(z.string().regex(/^[a-z0-9][a-z0-9.-]*$/), z.string()),
});

/**
 * Makes `folder` hold `files` (by name) and the manifest, which is `fidelity` with the list of them; files of the export before
 * that are no longer there go. @throws Failure, with nothing written, when it would overwrite what is not its own without `force`.
 */
export async function writeExport(folder: string, files: ReadonlyMap<string, string>, fidelity: object, force: boolean): Promise<void> {
  await mkdir(folder, { recursive: true }).catch(() => {
    throw new Failure(`The folder ${folder} cannot be made.`, { exitCode: 2 });
  });
  const there = await readText(join(folder, MANIFEST));
  const before = there === undefined ? undefined : manifestOf(there);
  const owned = before?.files ?? {};
  const stale = Object.keys(owned).filter((name) => !files.has(name));
  const foreign = there !== undefined && before === undefined ? [MANIFEST] : [];
  for (const name of [...files.keys(), ...stale]) {
    const text = await readText(join(folder, name));
    if (text !== undefined && text !== files.get(name) && hash(text) !== owned[name]) foreign.push(name);
  }
  if (foreign.length > 0 && !force) {
    const details = foreign.map((name) => join(folder, name));
    throw new Failure('Nothing is written: these are not of the export before, or were changed since; --force overwrites them.', {
      details,
    });
  }
  const hashes = Object.fromEntries([...files].map(([name, text]) => [name, hash(text)]));
  // First, so that what is written after it is known as ours whatever happens then.
  await writeFile(join(folder, MANIFEST), `${JSON.stringify({ kind: 'Fidelity', ...fidelity, files: hashes }, null, 2)}\n`);
  for (const [name, text] of files) await writeFile(join(folder, name), text);
  for (const name of stale) await rm(join(folder, name), { force: true });
}

function manifestOf(text: string): z.infer<typeof manifestSchema> | undefined {
  try {
    return manifestSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** `undefined`: there is no such file. */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new Failure(`${path} is in the way: it cannot be read as a file.`, { exitCode: 2 });
  }
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
