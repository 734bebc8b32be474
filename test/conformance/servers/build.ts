/**
 * Builds the real servers of the conformance tests from their Go modules (`<folder>/go.mod` beside this file pins each), once for
 * each content of go.mod and go.sum, into a cache outside the tree; takes their CRDs from the same modules. Nothing here is ours but
 * what `around` names.
 * `node test/conformance/servers/build.ts [name …]` builds ahead of the tests and prints where things are.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { defaultCacheDir } from '../../../src/local/envoy-binary.ts';
import { holdingLock } from './lock.ts';

const run = promisify(execFile);

interface Server {
  readonly folder: string;
  readonly package: string;
  /** With cold caches on two cores, the download included. */
  readonly minutes: number;
  /** A program of ours around the server, in its folder. */
  readonly around?: string;
}

const SERVERS = {
  etcd: { folder: 'etcd', package: 'go.etcd.io/etcd/server/v3', minutes: 1 },
  'kube-apiserver': { folder: 'kube-apiserver', package: 'k8s.io/kubernetes/cmd/kube-apiserver', minutes: 5 },
  'pilot-discovery': { folder: 'istio', package: 'istio.io/istio/pilot/cmd/pilot-discovery', minutes: 5 },
  istioctl: { folder: 'istio', package: 'istio.io/istio/istioctl/cmd/istioctl', minutes: 1 },
  consul: { folder: 'consul', package: 'github.com/hashicorp/consul', minutes: 5 },
  'hasty-consul': { folder: 'consul', package: './hasty', minutes: 5, around: 'hasty/main.go' },
  'osm-controller': { folder: 'osm', package: 'github.com/openservicemesh/osm/cmd/osm-controller', minutes: 2 },
  'linkerd-identity': { folder: 'linkerd', package: './identity', minutes: 1, around: 'identity/main.go' },
} as const satisfies Record<string, Server>;

export type ServerName = keyof typeof SERVERS;

interface ModuleFiles {
  readonly folder: string;
  readonly module: string;
  /** A file or folder of the module. */
  readonly path: string;
}

const MODULE_CRDS = {
  istio: { folder: 'istio', module: 'istio.io/api', path: 'kubernetes/customresourcedefinitions.gen.yaml' },
  'gateway-api': { folder: 'istio', module: 'sigs.k8s.io/gateway-api', path: 'config/crd/standard' },
  'gateway-api-experimental': { folder: 'istio', module: 'sigs.k8s.io/gateway-api', path: 'config/crd/experimental' },
  osm: { folder: 'osm', module: 'github.com/openservicemesh/osm', path: 'cmd/osm-bootstrap/crds' },
} as const satisfies Record<string, ModuleFiles>;

export type ModuleCrds = keyof typeof MODULE_CRDS;

const GO_NEEDED = '1.26';
const BUILD = ['build', '-trimpath', '-ldflags', '-s -w'];
// Two compilers at once: the tests' machines have two cores, and Go would otherwise take what others need.
const ENVIRONMENT = { CGO_ENABLED: '0', GOFLAGS: '-p=2 -buildvcs=false' };

const { MESHWRIGHT_CACHE, XDG_CACHE_HOME, CI } = process.env;
const cache = join(MESHWRIGHT_CACHE || defaultCacheDir(XDG_CACHE_HOME), 'servers');

export const serverNames: readonly ServerName[] = [
  'etcd',
  'kube-apiserver',
  'pilot-discovery',
  'istioctl',
  'consul',
  'hasty-consul',
  'osm-controller',
  'linkerd-identity',
];

/** The path of the executable, built now if it has not been. @throws when there is no Go that can, or the build fails. */
export async function serverBinary(name: ServerName): Promise<string> {
  const { folder, package: source, minutes, around }: Server = SERVERS[name];
  const own = around === undefined ? [] : [await readFile(join(import.meta.dirname, folder, around), 'utf8')];
  return made(`${name}-${process.platform}-${process.arch}`, folder, [source, ...BUILD, ...own], async (target) => {
    say(`Building ${name}, once, in about ${minutes} ${minutes === 1 ? 'minute' : 'minutes'} …`);
    const began = performance.now();
    await go(folder, [...BUILD, '-o', target, source]);
    say(`Built ${name} in ${Math.round((performance.now() - began) / 1000)} s.`);
  });
}

/** The file or folder of these CRDs, loaded now if it has not been. @throws as `serverBinary`. */
export function crdFiles(name: ModuleCrds): Promise<string> {
  const { folder, module, path } = MODULE_CRDS[name];
  return made(`crds-${name}`, folder, [module, path], async (target) => {
    const { stdout } = await run('go', ['mod', 'download', '-json', module], { cwd: join(import.meta.dirname, folder) });
    const { Dir } = z.object({ Dir: z.string() }).parse(JSON.parse(stdout));
    await cp(join(Dir, path), target, { recursive: true });
  });
}

/**
 * Whether these servers can be started here: builds what is not built yet. False, with a line on stderr that says how to get
 * them, where there is no Go to build them with; that throws where `CI=true`. A build that fails always throws.
 */
export async function haveServers(...names: readonly ServerName[]): Promise<boolean> {
  try {
    for (const name of names) await serverBinary(name);
    return true;
  } catch (error) {
    if (!(error instanceof GoMissing) || CI === 'true') throw error;
    say(`Skipped, for want of ${names.join(', ')}: ${error.message}`);
    return false;
  }
}

class GoMissing extends Error {}

/** `make` writes the file or folder it is given; it appears under its own name only when it is whole. */
async function made(name: string, folder: string, how: readonly string[], make: (target: string) => Promise<void>): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([how, ENVIRONMENT]));
  for (const file of ['go.mod', 'go.sum']) hash.update(await readFile(join(import.meta.dirname, folder, file)));
  const path = join(cache, `${name}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(path)) return path;
  await requireGo(folder);
  await mkdir(cache, { recursive: true });
  const busy = () => say(`Waiting for another process that is building servers, for ${name} …`);
  return holdingLock(join(cache, 'lock.sqlite'), busy, async () => {
    if (existsSync(path)) return path;
    const unfinished = await mkdtemp(join(cache, 'unfinished-'));
    try {
      await make(join(unfinished, 'made'));
      await rename(join(unfinished, 'made'), path);
      return path;
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  });
}

/** That of go.mod reads it; one from 1.21 on fetches the Go it asks for by itself, unless it is told not to. */
async function requireGo(folder: string): Promise<void> {
  await run('go', ['list', '-m'], { cwd: join(import.meta.dirname, folder) }).catch((error: Error) => {
    const words = 'code' in error && error.code === 'ENOENT' ? 'there is none on PATH' : error.message.trim().split('\n').at(-1);
    throw new GoMissing(
      `the servers are built from Go modules, which takes Go ${GO_NEEDED} or newer (${words}); install it from https://go.dev/dl`,
    );
  });
}

async function go(folder: string, argv: readonly string[]): Promise<void> {
  const child = spawn('go', argv, {
    cwd: join(import.meta.dirname, folder),
    env: { ...process.env, ...ENVIRONMENT },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let words = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      words = `${words}${chunk}`.slice(-4_000);
    });
  }
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`go ${argv.join(' ')} in ${folder} failed (${code}):\n${words}`);
}

function say(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
}

if (import.meta.main) {
  const asked = process.argv.slice(2);
  const unknown = asked.filter((name) => !serverNames.some((known) => known === name));
  if (unknown.length > 0) throw new Error(`There is no server ${unknown.join(', ')}; there are ${serverNames.join(', ')}.`);
  for (const name of serverNames) {
    if (asked.length === 0 || asked.includes(name)) process.stdout.write(`${await serverBinary(name)}\n`);
  }
}
