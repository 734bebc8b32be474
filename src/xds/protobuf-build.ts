/**
 * Build step: compiles Envoy's own protobuf definitions (as `@grpc/grpc-js-xds` carries them in `deps/`) with buf into
 * one FileDescriptorSet, which `protobuf.ts` loads. Nothing generated is committed: the build writes it beside the xds
 * server, tests take it from a cache that is keyed by what it is made of.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const require = createRequire(import.meta.url);
const run = promisify(execFile);

/** What is compiled, with everything it imports: the messages of ADS, and each extension a resource may hold as an Any. */
const roots = [
  'service/discovery/v3/ads.proto',
  'config/cluster/v3/cluster.proto',
  'config/endpoint/v3/endpoint.proto',
  'config/listener/v3/listener.proto',
  'config/route/v3/route.proto',
  'extensions/access_loggers/file/v3',
  'extensions/access_loggers/grpc/v3',
  'extensions/access_loggers/stream/v3',
  'extensions/filters/http/fault/v3',
  'extensions/filters/http/jwt_authn/v3',
  'extensions/filters/http/local_ratelimit/v3',
  'extensions/filters/http/rbac/v3',
  'extensions/filters/http/router/v3',
  'extensions/filters/listener/tls_inspector/v3',
  'extensions/filters/network/http_connection_manager/v3',
  'extensions/filters/network/rbac/v3',
  'extensions/filters/network/tcp_proxy/v3',
  'extensions/formatter/req_without_query/v3',
  'extensions/retry/host/previous_hosts/v3',
  'extensions/transport_sockets/tls/v3',
  'extensions/upstreams/http/v3',
];

/**
 * Writes the FileDescriptorSet (binary) to `outFile`, from the cache where it has been compiled before.
 * Rejects with buf's own words if the definitions do not compile.
 */
export async function buildDescriptors(outFile: string): Promise<void> {
  const cached = await cachedDescriptors();
  await mkdir(dirname(outFile), { recursive: true });
  await copyFile(cached, outFile);
}

/** The path of the FileDescriptorSet in the cache (`node_modules/.cache/meshwright`); compiled first if it isn't there. */
export async function cachedDescriptors(): Promise<string> {
  const xdsPackage = packageDirectory('@grpc/grpc-js-xds', 'build/src/index.js');
  const bufPackage = dirname(require.resolve('@bufbuild/buf/package.json'));
  const key = createHash('sha256');
  for (const file of [join(xdsPackage, 'package.json'), join(bufPackage, 'package.json'), import.meta.filename])
    key.update(await readFile(file));
  const cache = join(xdsPackage, '..', '..', '.cache', 'meshwright');
  const file = join(cache, `envoy-${key.digest('hex').slice(0, 16)}.binpb`);
  if (await readFile(file).then(Boolean, () => false)) return file;

  await mkdir(cache, { recursive: true });
  const workspace = await mkdtemp(join(tmpdir(), 'meshwright-protos-'));
  try {
    await layOut(workspace, join(xdsPackage, 'deps'));
    const compiled = join(workspace, 'envoy.binpb');
    const paths = roots.flatMap((root) => ['--path', `envoy-api/envoy/${root}`]);
    const arguments_ = ['build', '.', '--as-file-descriptor-set', '--exclude-source-info', '-o', compiled, ...paths];
    await run(process.execPath, [join(bufPackage, 'bin', 'buf'), ...arguments_], { cwd: workspace });
    // Copied beside its place and renamed, so that two builds at once never show each other half a file.
    const beside = `${file}.${process.pid}-${workspace.slice(-6)}`;
    await copyFile(compiled, beside);
    await rename(beside, file);
  } finally {
    await rm(workspace, { recursive: true, force: true });
  }
  return file;
}

async function layOut(workspace: string, deps: string): Promise<void> {
  const modules = ['xds', 'googleapis', 'protoc-gen-validate', 'envoy-api'];
  for (const module of modules.slice(0, 2)) await symlink(join(deps, module), join(workspace, module), 'junction');
  await cp(join(deps, 'envoy-api'), join(workspace, 'envoy-api'), { recursive: true });
  await addSourcedMetadata(join(workspace, 'envoy-api', 'envoy', 'config', 'rbac', 'v3', 'rbac.proto'));
  await cp(join(deps, 'protoc-gen-validate', 'validate'), join(workspace, 'protoc-gen-validate', 'validate'), { recursive: true });
  // The validate.proto in the package is older than the Envoy definitions beside it and lacks one field that they set.
  const rules = join(workspace, 'protoc-gen-validate', 'validate', 'validate.proto');
  const text = await readFile(rules, 'utf8');
  const opening = 'message StringRules {';
  if (!text.includes('= 26;')) await writeFile(rules, text.replace(opening, `${opening}\n  optional bool ignore_empty = 26;`));
  await writeFile(join(workspace, 'buf.yaml'), ['version: v2', 'modules:', ...modules.map((path) => `  - path: ${path}`), ''].join('\n'));
}

/**
 * What Envoy has had since 1.34 in place of the `metadata` of a principal, and the package does not know yet. Names and numbers are those of
 * envoy.config.rbac.v3 in Envoy 1.40.
 */
async function addSourcedMetadata(file: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  if (text.includes('message SourcedMetadata')) return;
  const last = 'type.matcher.v3.FilterStateMatcher filter_state = 12;';
  if (!text.includes(last)) throw new Error(`${file} is written in another way than this build knows.`);
  const message = [
    'enum MetadataSource { DYNAMIC = 0; ROUTE = 1; }',
    'message SourcedMetadata {',
    '  type.matcher.v3.MetadataMatcher metadata_matcher = 1;',
    '  MetadataSource metadata_source = 2;',
    '}',
  ];
  await writeFile(file, [text.replace(last, `${last}\n    SourcedMetadata sourced_metadata = 13;`), ...message, ''].join('\n'));
}

/** A package that does not export its package.json is found from a file inside it. */
function packageDirectory(name: string, inside: string): string {
  const found = require.resolve(name);
  if (!found.endsWith(inside)) throw new Error(`${name} is laid out in another way than this build knows (${found}).`);
  return found.slice(0, -inside.length);
}
