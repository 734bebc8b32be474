/**
 * Installs Azurite, Microsoft's emulator of Azure Storage, once for each content of its lock file, into a cache outside the tree
 * (245 MB): a project that is only built or served needs none of it. `node test/emulators/storage/install.ts` installs it ahead
 * of the tests and prints where it is.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const FILES = ['package.json', 'package-lock.json'];

function place(): { readonly folder: string; readonly program: string } {
  const hash = createHash('sha256');
  for (const file of FILES) hash.update(readFileSync(join(import.meta.dirname, file)));
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const folder = join(cache, 'meshwright', 'storage-emulator', hash.digest('hex').slice(0, 16));
  return { folder, program: join(folder, 'node_modules/azurite/dist/src/azurite.js') };
}

/** Why Azurite cannot be had on this machine and how to change that; undefined when it is installed or can be. */
export async function missingStorageEmulator(): Promise<string | undefined> {
  if (existsSync(place().program)) return undefined;
  try {
    await run('npm', ['view', 'azurite', 'version'], { timeout: 30_000 });
    return undefined;
  } catch {
    return 'Azurite, the emulator of Azure Storage, is installed with npm, which reaches no registry here: run `node test/emulators/storage/install.ts` where it does';
  }
}

/** The path of Azurite's program, installed now if it has not been. @throws when npm fails, with what it said. */
export async function installStorageEmulator(): Promise<string> {
  const { folder, program } = place();
  if (existsSync(program)) return program;
  process.stderr.write('Installing Azurite, once …\n');
  await mkdir(dirname(folder), { recursive: true });
  // Put in place as a whole: another process may be at it too, and the first to finish wins.
  const scratch = await mkdtemp(`${folder}-`);
  try {
    for (const file of FILES) await copyFile(join(import.meta.dirname, file), join(scratch, file));
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: scratch, maxBuffer: 16 * 1024 * 1024 });
    await rename(scratch, folder).catch((error: unknown) => {
      if (!existsSync(program)) throw error;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return program;
}

if (import.meta.main) process.stdout.write(`${await installStorageEmulator()}\n`);
