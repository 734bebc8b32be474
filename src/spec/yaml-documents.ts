/**
 * YAML files as the documents in them, and where each field stands. YAML 1.2 core schema; aliases are bounded, so that a
 * small file can't become a large value, and keys are unique.
 */
import { type Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, type Pair, parseAllDocuments, visit } from 'yaml';

const MAX_BYTES = 1024 * 1024;
const MAX_DOCUMENTS = 1000;
const MAX_ALIASES = 100;
const MAX_SYNTAX_PROBLEMS = 10;
/** Brackets that are open at one place, those in texts counted too. */
const MAX_OPEN = 1_000;

export interface SpecFile {
  readonly path: string;
  readonly text: string;
}

export interface SpecProblem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column?: number;
  /** Such as `rollout.steps[1].weight`; empty when it is about the whole file. */
  readonly field: string;
  readonly message: string;
  /** Set when the spec is good, and a data plane refuses it. */
  readonly refusal?: { readonly service: string; readonly dataPlane: string; readonly code: string };
}

export interface YamlDocument {
  readonly file: string;
  readonly value: unknown;
  /** The problem `message` at the place of the field at `path` (of the key itself with `key`), or at the closest one above. */
  problem(path: readonly PropertyKey[], message: string, key?: string): SpecProblem;
}

/** Documents without content are left out. With any problem in a document's syntax, that document is left out too. */
export function readYaml({ path: file, text }: SpecFile): { documents: YamlDocument[]; problems: SpecProblem[] } {
  const whole = (message: string) => ({ documents: [], problems: [{ file, line: 1, field: '', message }] });
  if (Buffer.byteLength(text) > MAX_BYTES) return whole('the file is larger than 1 MiB; split it, one file a service');
  if ((text.match(/^---/gm)?.length ?? 0) > MAX_DOCUMENTS) return whole(`the file holds more than ${MAX_DOCUMENTS} documents; split it`);
  if (opensTooMuch(text)) return whole('this is nested too deeply');
  const lines = new LineCounter();
  // Its own check of unique keys takes quadratic time; ours is `repeatedKeys`.
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, logLevel: 'error' });
  const documents: YamlDocument[] = [];
  const problems: SpecProblem[] = [];
  for (const document of Array.isArray(parsed) ? parsed : []) {
    const at = (offset: number, message: string): SpecProblem => ({ file, ...position(lines, offset), field: '', message });
    const syntax = [...document.errors, ...document.warnings]
      .slice(0, MAX_SYNTAX_PROBLEMS)
      .map((error) => at(error.pos[0], wordSyntax(error.message)));
    const repeated =
      syntax.length > 0 ? [] : repeatedKeys(document).map(({ key, offset }) => at(offset, `\`${key}\` is here twice; keep one`));
    const halved =
      syntax.length > 0
        ? []
        : halfCharacters(document).map((offset) => at(offset, 'this text holds half a character (a lone surrogate); write it whole'));
    problems.push(...syntax, ...repeated, ...halved);
    if (syntax.length > 0 || repeated.length > 0 || halved.length > 0 || document.contents === null) continue;
    const value = plainValue(document);
    if (value.ok) {
      if (value.value !== null) documents.push({ file, value: value.value, problem: problemsOf(file, document, lines) });
    } else problems.push(at(document.contents.range?.[0] ?? 0, 'aliases (`*name`) repeat too much here; write the fields out'));
  }
  return { documents, problems };
}

/** Before the parser sees it: a megabyte of brackets costs it seconds, and the stack. */
export function opensTooMuch(text: string): boolean {
  let open = 0;
  for (const [bracket] of text.matchAll(/[[\]{}]/g)) {
    open = bracket === '[' || bracket === '{' ? open + 1 : Math.max(0, open - 1);
    if (open > MAX_OPEN) return true;
  }
  return false;
}

function plainValue(document: Document.Parsed): { ok: true; value: unknown } | { ok: false } {
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return { ok: true, value };
  } catch (error) {
    // yaml's answer to aliases that multiply, and to an alias without its anchor.
    if (error instanceof ReferenceError) return { ok: false };
    throw error;
  }
}

/** yaml reports nesting that exhausts the stack as an error of the document. */
function wordSyntax(message: string): string {
  return message.includes('call stack') ? 'this is nested too deeply' : `this is not valid YAML: ${message.slice(0, 300)}`;
}

function repeatedKeys(document: Document.Parsed): { key: string; offset: number }[] {
  const repeated: { key: string; offset: number }[] = [];
  visit(document, {
    Map(_, map) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        const text = keyText(key);
        if (seen.has(text)) repeated.push({ key: text.slice(0, 64), offset: (isNode(key) ? key.range?.[0] : undefined) ?? 0 });
        seen.add(text);
      }
    },
  });
  return repeated.slice(0, MAX_SYNTAX_PROBLEMS);
}

/** Where an escape such as `"\ud800"` makes text that nothing can store or hash. */
function halfCharacters(document: Document.Parsed): number[] {
  const offsets: number[] = [];
  visit(document, {
    Scalar(_, { value, range }) {
      if (typeof value === 'string' && !value.isWellFormed()) offsets.push(range?.[0] ?? 0);
    },
  });
  return offsets.slice(0, MAX_SYNTAX_PROBLEMS);
}

function problemsOf(file: string, document: Document.Parsed, lines: LineCounter): YamlDocument['problem'] {
  return (path, message, key) => {
    const whole = key === undefined ? path : [...path, key];
    return { file, ...position(lines, offsetOf(document, path, key)), field: fieldName(whole), message };
  };
}

function offsetOf(document: Document.Parsed, path: readonly PropertyKey[], key: string | undefined): number {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const segment of path) {
    const child = childOf(resolved(document, node), segment);
    if (child === undefined) return offset;
    node = child.value;
    offset = node?.range?.[0] ?? child.offset;
  }
  return key === undefined ? offset : (childOf(resolved(document, node), key)?.offset ?? offset);
}

function childOf(node: unknown, segment: PropertyKey): { value: Node | null; offset: number } | undefined {
  if (isMap(node)) {
    const pair = node.items.find((item: Pair) => keyText(item.key) === String(segment));
    if (pair === undefined) return undefined;
    return { value: isNode(pair.value) ? pair.value : null, offset: (isNode(pair.key) ? pair.key.range?.[0] : undefined) ?? 0 };
  }
  if (isSeq(node) && typeof segment === 'number') {
    const item = node.items[segment];
    return isNode(item) ? { value: item, offset: item.range?.[0] ?? 0 } : undefined;
  }
  return undefined;
}

function resolved(document: Document.Parsed, node: Node | null): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : String(key);
}

function position(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

function fieldName(path: readonly PropertyKey[]): string {
  return path
    .map((segment, index) => (typeof segment === 'number' ? `[${segment}]` : `${index === 0 ? '' : '.'}${String(segment).slice(0, 64)}`))
    .join('');
}
