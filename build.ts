/**
 * Builds `dist/`: one entry a function and one a program, ES modules that share chunks, so that an SDK is loaded where it
 * is first used; the descriptors that the xds server encodes with; and the executable, linked where `npx` finds it.
 */
import { chmod, glob, lstat, mkdir, rm, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { buildDescriptors } from './src/xds/protobuf-build.ts';

const OUT = 'dist';
const programs = {
  'agent/main': 'src/agent/main.ts',
  'cli/main': 'src/cli/main.ts',
  'local/main': 'src/local/main.ts',
  'local/functions': 'src/local/functions.ts',
  'local/playground': 'src/local/playground/main.ts',
  'xds/main': 'src/xds/main.ts',
};

/** zod says its own messages in fifty languages, half of its code; ours are English, and every start would read the rest. */
const withoutTranslations: Plugin = {
  name: 'without-translations',
  setup: ({ onLoad }) => onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({ contents: 'export {};' })),
};

const functions: Record<string, string> = {};
for await (const file of glob('functions/*.ts')) functions[`functions/${basename(file, '.ts')}`] = file;

await rm(OUT, { recursive: true, force: true });
await build({
  entryPoints: { ...functions, ...programs },
  outdir: OUT,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22',
  sourcemap: 'linked',
  // Names stay: they are what a stack trace in a log says.
  minifyWhitespace: true,
  minifySyntax: true,
  chunkNames: 'chunks/[name]-[hash]',
  // The Functions worker provides this module; everything else is in the bundle.
  external: ['@azure/functions-core'],
  // CommonJS packages inside the bundle still ask for `require`.
  banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" },
  plugins: [withoutTranslations],
  logLevel: 'warning',
});
await buildDescriptors(join(OUT, 'xds/envoy.binpb'));
await linkExecutable();

/** Linked here and not named as `bin` in package.json: npx would install this folder into its cache, and build it, at each first call. */
async function linkExecutable(): Promise<void> {
  const link = 'node_modules/.bin/meshwright';
  await chmod(join(OUT, 'cli/main.js'), 0o755);
  await mkdir('node_modules/.bin', { recursive: true });
  if (await lstat(link).catch(() => undefined)) await rm(link);
  await symlink('../../dist/cli/main.js', link);
}
