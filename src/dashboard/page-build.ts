/** Builds the page: markup, style and script in one file. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

const here = import.meta.dirname;

export async function buildPage(outFile: string): Promise<void> {
  const html = await readFile(join(here, 'page.html'), 'utf8');
  const style = await readFile(join(here, 'page.css'), 'utf8');
  const bundled = await build({
    entryPoints: [join(here, 'client.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    charset: 'utf8',
  });
  const script = bundled.outputFiles[0]?.text ?? '';
  const page = html.replace('/*style*/', () => style).replace('/*script*/', () => script);
  await mkdir(dirname(outFile), { recursive: true });
  await writeFile(outFile, page);
}
