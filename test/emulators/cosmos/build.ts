/**
 * Builds the Cosmos DB stand-in (what it is: src/main.rs) once for each content of its sources, into a cache outside the
 * tree (300 MB). Two processes that ask at once are kept apart by cargo's own lock on its target directory: the second waits and
 * finds the work done. `node test/emulators/cosmos/build.ts` builds it ahead of the tests and prints where it is.
 */

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const crate = import.meta.dirname;

interface Stand {
  readonly binary: string;
  /** Written after a finished build: a binary alone may still be on its way to the disk. */
  readonly finished: string;
  readonly target: string;
}

function stand(): Stand {
  const hash = createHash('sha256');
  for (const file of ['Cargo.toml', 'Cargo.lock', 'src/main.rs']) {
    hash.update(readFileSync(join(crate, file)));
  }
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const target = join(cache, 'meshwright', 'cosmos-emulator', hash.digest('hex').slice(0, 16));
  return { target, binary: join(target, 'release', 'cosmos-emulator'), finished: join(target, 'finished') };
}

/** Why the stand-in cannot be had on this machine and how to change that; undefined when it is built or can be. */
export async function missingCosmosEmulator(): Promise<string | undefined> {
  if (existsSync(stand().finished)) {
    return undefined;
  }
  try {
    await run('cargo', ['--version']);
    return undefined;
  } catch {
    return 'the Cosmos DB stand-in is built with cargo, which is not here: install Rust 1.89 or newer (https://rustup.rs)';
  }
}

/**
 * The path of the stand-in's executable, built now if it has not been (some three minutes, crates.io must be reachable).
 * @throws when cargo fails, with what it said.
 */
export async function buildCosmosEmulator(): Promise<string> {
  const { target, binary, finished } = stand();
  if (!existsSync(finished)) {
    process.stderr.write('Building the Cosmos DB stand-in, once, in about three minutes …\n');
    await run('cargo', ['build', '--release', '--locked', '--quiet', '--target-dir', target], { cwd: crate, maxBuffer: 64 * 1024 * 1024 });
    writeFileSync(finished, '');
  }
  return binary;
}

if (import.meta.main) {
  process.stdout.write(`${await buildCosmosEmulator()}\n`);
}
