/**
 * The rules that hold between the files of this project, as functions of one file: what it may import, what it may not
 * touch, how long it may be and what it may be called. `rooms.test.ts` and `source-rules.test.ts` hold the product to them.
 */
import { posix } from 'node:path';

export interface SourceFile {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
}

const MAX_LINES = 350;
const AZURE_SDK_MAY_BE_IN = /^(functions\/|src\/azure\.ts$|src\/adapters\/)/;
/** Pure, or given clock, ids and randomness as data. */
const DOMAIN = /^src\/(intake|import|spec|plan|rollouts|trust|reconcile|journal|notifications)\/|^src\/dataplanes\/[^/]+\/render[^/]*\.ts$/;
const AMBIENT =
  /\bDate\.now\b|\bnew Date\(\s*\)|\bDate\(\s*\)|\bMath\.random\b|\brandom(UUID|Bytes|Int)\b|\bgetRandomValues\b|\bset(Timeout|Interval|Immediate)\b|\bprocess\.(env|hrtime)\b|\bperformance\.now\b/g;
const NAMELESS = /(^|[-_./])(utils?|helpers?|common|managers?|misc)([-_./]|$)|[a-z](Utils?|Helpers?|Manager)\b/;
const IMPORT =
  /^\s*(?:import|export)\b[^'";]*?\bfrom\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm;

/** What it imports, types included: packages as they are named, files by their path from the root. */
export function importsOf({ path, text }: SourceFile): readonly string[] {
  return [...text.matchAll(IMPORT)].map(([, from, bare, dynamic]) => {
    const target = from ?? bare ?? dynamic ?? '';
    return target.startsWith('.') ? posix.normalize(posix.join(posix.dirname(path), target)) : target;
  });
}

/** The room a file is in: its directory under `src/`, `functions`, or the file itself where it stands directly in `src/`. */
export const roomOf = (path: string): string =>
  /^src\/[^/]+(?=\/)/.exec(path)?.[0] ?? (path.startsWith('src/') ? path : (path.split('/')[0] ?? ''));

/** `table`: by room, the files of other rooms it may import; `/*` at the end stands for a directory. */
export function importProblems(file: SourceFile, table: Readonly<Record<string, readonly string[]>>): readonly string[] {
  const room = roomOf(file.path);
  const allowed = table[room];
  if (!allowed) return [`${file.path}: the table says nothing of ${room}`];
  return importsOf(file)
    .filter((target) => /^(src|functions)\//.test(target) && roomOf(target) !== room)
    .filter((target) => !allowed.some((entry) => covers(entry, target)))
    .map((target) => `${file.path} imports ${target}, which the table does not allow ${room}`);
}

export const covers = (entry: string, target: string): boolean =>
  entry.endsWith('/*') ? posix.dirname(target) === entry.slice(0, -2) : target === entry;

export function azureProblems(file: SourceFile): readonly string[] {
  if (AZURE_SDK_MAY_BE_IN.test(file.path)) return [];
  return importsOf(file).flatMap((target) => (target.startsWith('@azure/') ? [`${file.path} imports ${target}`] : []));
}

export function ambientProblems(file: SourceFile): readonly string[] {
  if (!DOMAIN.test(file.path)) return [];
  const code = file.text.replace(/\/\*[\s\S]*?\*\/|(?<![:'"`])\/\/.*$/gm, '');
  return [...code.matchAll(AMBIENT)].map(([found]) => `${file.path} uses ${found}: take it as data`);
}

export function shapeProblems({ path, text }: SourceFile): readonly string[] {
  const lines = text.trimEnd().split('\n').length;
  return [
    ...(lines > MAX_LINES ? [`${path} has ${lines} lines`] : []),
    ...(NAMELESS.test(path) ? [`${path} does not say what it is about`] : []),
    ...(/^(#!.*\n)?(\/\*\*|\/\/)/.test(text) ? [] : [`${path} does not begin with a comment on what it owns`]),
  ];
}
