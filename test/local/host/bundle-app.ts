/** Bundles a fixture app as the functions are bundled for Azure: ES modules, split, with a `require` made from the module's URL. */
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

/** Writes `<directory>/functions/*.js`, package.json and host.json. */
export async function bundleApp(app: string, entries: readonly string[], directory: string): Promise<void> {
  const result = await build({
    entryPoints: entries.map((name) => join(app, `${name}.ts`)),
    outdir: join(directory, 'functions'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    chunkNames: 'chunks/[name]-[hash]',
    external: ['@azure/functions-core'],
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    metafile: true,
  });
  if (!Object.keys(result.metafile.outputs).some((path) => path.includes('/chunks/'))) throw new Error('The bundle was not split.');
  await writeFile(join(directory, 'package.json'), JSON.stringify({ type: 'module' }));
  await copyFile(join(app, 'host.json'), join(directory, 'host.json'));
}
