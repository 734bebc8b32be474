/** What one template declares, before anything of it is evaluated: parameters, variables, resources, modules, outputs, each with its decorators. */
import type { Node } from 'web-tree-sitter';
import { parseBicep, partsOf } from './syntax.ts';
import { TemplateRefused } from './values.ts';

export type DeclarationKind = 'param' | 'var' | 'resource' | 'module' | 'output';

export interface Declaration {
  readonly kind: DeclarationKind;
  readonly name: string;
  readonly node: Node;
  /** `description` and such, with their argument. */
  readonly decorators: ReadonlyMap<string, Node | undefined>;
  /** `string` of a parameter; `Microsoft.X/y@version` of a resource; `./file.bicep` of a module. */
  readonly type: string;
  readonly existing: boolean;
  /** A default, a value, a body; none of a parameter that has to be given. */
  readonly content: Node | undefined;
}

export interface Template {
  readonly file: string;
  readonly targetScope: 'subscription' | 'resourceGroup';
  readonly declarations: ReadonlyMap<string, Declaration>;
  readonly outputs: readonly Declaration[];
}

const KINDS: Readonly<Record<string, DeclarationKind>> = {
  parameter_declaration: 'param',
  variable_declaration: 'var',
  resource_declaration: 'resource',
  module_declaration: 'module',
  output_declaration: 'output',
};
const DECORATORS = new Set(['description', 'allowed', 'minLength', 'maxLength', 'minValue', 'maxValue']);
const TYPES = new Set(['string', 'int', 'bool', 'array', 'object']);

/** @throws {TemplateRefused} for what is not Bicep, or is Bicep that is not known here. */
export function readTemplate(text: string, file: string): Template {
  const declarations = new Map<string, Declaration>();
  const outputs: Declaration[] = [];
  let targetScope: Template['targetScope'] = 'resourceGroup';
  let decorators = new Map<string, Node | undefined>();
  for (const statement of partsOf(parseBicep(text, file))) {
    if (statement.type === 'decorators') {
      decorators = decoratorsOf(statement, file);
    } else if (statement.type === 'target_scope_assignment') {
      if (!statement.text.includes("'subscription'")) throw new TemplateRefused(file, statement, 'has a scope that is not known here');
      targetScope = 'subscription';
    } else {
      const declared = declarationOf(statement, file, decorators);
      decorators = new Map();
      if (declared.kind === 'output') outputs.push(declared);
      else if (declarations.has(declared.name)) throw new TemplateRefused(file, statement, `${declared.name} is declared twice`);
      else declarations.set(declared.name, declared);
    }
  }
  return { file, targetScope, declarations, outputs };
}

function decoratorsOf(node: Node, file: string): Map<string, Node | undefined> {
  const found = new Map<string, Node | undefined>();
  for (const decorator of partsOf(node)) {
    const call = partsOf(decorator)[0];
    const name = call?.childForFieldName('function')?.text ?? '';
    if (!DECORATORS.has(name)) throw new TemplateRefused(file, decorator, 'is a decorator that is not known here');
    found.set(name, partsOf(call?.childForFieldName('arguments') ?? decorator)[0]);
  }
  return found;
}

function declarationOf(node: Node, file: string, decorators: Declaration['decorators']): Declaration {
  const kind = KINDS[node.type];
  const [name, second, third] = partsOf(node);
  if (!kind || name?.type !== 'identifier') throw new TemplateRefused(file, node, `is a ${node.type}, which is not known here`);
  const existing = node.children.some(({ type }) => type === 'existing');
  const common = { kind, name: name.text, node, decorators, existing };
  if (kind === 'var') return { ...common, type: '', content: second };
  const type = second?.text.replaceAll("'", '') ?? '';
  if ((kind === 'param' || kind === 'output') && !TYPES.has(type))
    throw new TemplateRefused(file, node, `${type} is a type that is not known here`);
  if (kind === 'module' && !/^\.\/[a-z-]+\.bicep$/.test(type)) throw new TemplateRefused(file, node, `${type} is no file beside this one`);
  return { ...common, type, content: third };
}

/** Parameters and variables that nothing in the template speaks of. */
export function unusedNames({ declarations, outputs }: Template): readonly string[] {
  const spoken = new Set<string>();
  const visit = (node: Node): void => {
    if (node.type === 'identifier') spoken.add(node.text);
    for (const child of partsOf(node)) visit(child);
  };
  for (const { content } of [...declarations.values(), ...outputs]) if (content) visit(content);
  return [...declarations.values()]
    .filter(({ kind, name }) => (kind === 'param' || kind === 'var') && !spoken.has(name))
    .map(({ name }) => name);
}
