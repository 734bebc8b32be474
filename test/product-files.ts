/** The product's own files as they are read by the rules for them, and files made up to break a rule. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type { SourceFile } from './import-rules.ts';

const ROOT = join(import.meta.dirname, '..');

function filesUnder(directory: string): SourceFile[] {
  return readdirSync(join(ROOT, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return { path: relative(ROOT, path).split(sep).join('/'), text: readFileSync(path, 'utf8') };
    });
}

export const product = ['src', 'functions'].flatMap(filesUnder);
export const made = (path: string, text: string): SourceFile => ({ path, text });
export const importing = (path: string, target: string) => made(path, `/** Made up. */\nimport type { X } from '${target}';\n`);
