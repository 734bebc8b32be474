/**
 * Bicep as text to a syntax tree, by the grammar of tree-sitter (github.com/tree-sitter-grammars/tree-sitter-bicep), and what that grammar
 * lets pass though the compiler would not: properties and elements of a list that neither a comma nor a new line parts.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Language, type Node, Parser } from 'web-tree-sitter';
import { TemplateRefused } from './values.ts';

const require = createRequire(import.meta.url);
await Parser.init();
const language = await Language.load(readFileSync(require.resolve('tree-sitter-bicep/tree-sitter-bicep.wasm')));

/** @throws {TemplateRefused} with file and line, where it is not Bicep. */
export function parseBicep(text: string, file: string): Node {
  const parser = new Parser();
  parser.setLanguage(language);
  const root = parser.parse(text)?.rootNode;
  parser.delete();
  if (!root) throw new TemplateRefused(file, undefined, 'cannot be parsed');
  const wrong = firstError(root);
  if (wrong) throw new TemplateRefused(file, wrong, `is not Bicep at ${JSON.stringify(wrong.text.slice(0, 40))}`);
  checkSeparators(root, file);
  return root;
}

function firstError(node: Node): Node | undefined {
  if (node.isError || node.isMissing) return node;
  if (!node.hasError) return undefined;
  for (const child of node.children) {
    const found = firstError(child);
    if (found) return found;
  }
  return node;
}

function checkSeparators(node: Node, file: string): void {
  if (node.type === 'object' || node.type === 'array') {
    let before: Node | undefined;
    for (const child of node.children) {
      if (child.type === 'comment') continue;
      if (before?.isNamed && child.isNamed && before.endPosition.row === child.startPosition.row)
        throw new TemplateRefused(file, child, 'needs a comma or a new line before it');
      before = child;
    }
  }
  for (const child of node.children) checkSeparators(child, file);
}

/** Named children without comments. */
export const partsOf = (node: Node): readonly Node[] => node.namedChildren.filter((child) => child.type !== 'comment');
