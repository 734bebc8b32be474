/** The files in a folder, those of a spec above all, and what is wrong with them as compilers write it. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { SpecFile, SpecProblem } from '../spec/read-spec.ts';
import { Failure } from './failure.ts';

/** Every .yaml and .yml file, sorted, without those in hidden folders; `folder` may be one file. @throws Failure when there are none. */
export async function readSpecFolder(folder: string): Promise<readonly SpecFile[]> {
  const files = await filesIn(folder, /\.ya?ml$/i);
  if (files.length === 0) throw new Failure(`There is no .yaml or .yml file in ${folder}; a spec is written in those.`);
  return files;
}

/** Those whose names fit, sorted, without those in hidden folders; `folder` may be one file, whatever its name. @throws Failure without it. */
export async function filesIn(folder: string, names: RegExp): Promise<readonly SpecFile[]> {
  const paths = await pathsIn(folder, names);
  return Promise.all(paths.map(async (path) => ({ path: path.split(sep).join('/'), text: await readFile(path, 'utf8') })));
}

async function pathsIn(folder: string, names: RegExp): Promise<string[]> {
  const there = await stat(folder).catch(() => {
    throw new Failure(`There is no folder or file ${folder}.`, { exitCode: 2 });
  });
  if (!there.isDirectory()) return [folder];
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && names.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter(
      (path) =>
        !relative(folder, path)
          .split(sep)
          .some((part) => part.startsWith('.') || part === 'node_modules'),
    )
    .sort();
}

/** As compilers write them, so that editors find the place. */
export function problemLine({ file, line, column, field, message, refusal }: SpecProblem): string {
  const place = [file, line, ...(column === undefined ? [] : [column])].join(':');
  return `${place}: ${field === '' ? '' : `${field}: `}${message}${refusal === undefined ? '' : ` [${refusal.code}]`}`;
}
