/** Expressions of Bicep to what they come to. Whatever is not known here is refused, so that the templates stay within what is checked. */
import type { Node } from 'web-tree-sitter';
import { calling, type Place } from './functions.ts';
import { partsOf } from './syntax.ts';
import { isList, isObject, type Meaning, type Referenced, TemplateRefused, type Value } from './values.ts';

export interface Scope {
  readonly file: string;
  readonly place: Place;
  /** `undefined`: nothing of this name is declared. */
  readonly find: (name: string) => Meaning | undefined;
}

export function evaluated(node: Node, scope: Scope): Value {
  const meaning = meaningOf(node, scope);
  if (meaning.kind === 'value') return meaning.value;
  throw refused(scope, node, `is a ${meaning.kind}, where a value is needed`);
}

export function textOf(node: Node, scope: Scope): string {
  const value = evaluated(node, scope);
  if (typeof value === 'string') return value;
  throw refused(scope, node, 'is no text');
}

const of = (value: Value): Meaning => ({ kind: 'value', value });
const refused = (scope: Scope, node: Node, message: string): TemplateRefused =>
  new TemplateRefused(scope.file, node, `${node.text} ${message}`);

export function meaningOf(node: Node, scope: Scope): Meaning {
  switch (node.type) {
    case 'string':
      return of(interpolated(node, scope));
    case 'number':
      return of(Number(node.text));
    case 'boolean':
      return of(node.text === 'true');
    case 'null':
      return of(null);
    case 'identifier': {
      const found = scope.find(node.text);
      if (!found) throw refused(scope, node, 'is declared nowhere');
      return found;
    }
    case 'parenthesized_expression':
      return meaningOf(only(node, scope), scope);
    case 'array':
      return of(partsOf(node).map((element) => evaluated(element, scope)));
    case 'object':
      return of(objectOf(node, scope));
    case 'for_statement':
      return of(loopOf(node, scope).map(({ body, scope: inner }) => evaluated(body, inner)));
    case 'member_expression':
    case 'subscript_expression':
      return memberOf(node, scope);
    case 'call_expression':
      return called(node, scope);
    case 'ternary_expression':
      return meaningOf(
        isTrue(field(node, 'condition', scope), scope) ? field(node, 'consequence', scope) : field(node, 'alternative', scope),
        scope,
      );
    case 'unary_expression':
      if (field(node, 'operator', scope).text === '!') return of(!isTrue(field(node, 'argument', scope), scope));
      throw refused(scope, node, 'has an operator that is not known here');
    case 'binary_expression':
      return of(binary(node, scope));
    case 'lambda_expression':
      return lambda(node, scope);
    default:
      throw refused(scope, node, `is a ${node.type}, which is not known here`);
  }
}

function field(node: Node, name: string, scope: Scope): Node {
  const found = node.childForFieldName(name);
  if (!found) throw refused(scope, node, `has no ${name}`);
  return found;
}

function only(node: Node, scope: Scope): Node {
  const [first, ...more] = partsOf(node);
  if (!first || more.length > 0) throw refused(scope, node, 'holds more than one thing');
  return first;
}

/** Escapes of Bicep: learn.microsoft.com/azure/azure-resource-manager/bicep/data-types#strings. */
const ESCAPES: Readonly<Record<string, string>> = { "\\'": "'", '\\\\': '\\', '\\n': '\n', '\\t': '\t', '\\r': '\r', '\\$': '$' };

function interpolated(node: Node, scope: Scope): string {
  return partsOf(node)
    .map((part) => {
      if (part.type === 'string_content') return part.text;
      if (part.type === 'escape_sequence') {
        const meant = ESCAPES[part.text];
        if (meant === undefined) throw refused(scope, part, 'is an escape that is not known here');
        return meant;
      }
      if (part.type !== 'interpolation') throw refused(scope, part, 'is not known in text');
      const value = evaluated(only(part, scope), scope);
      if (typeof value === 'string') return value;
      if (typeof value === 'number' || typeof value === 'boolean') return String(value);
      throw refused(scope, part, 'has no text');
    })
    .join('');
}

function objectOf(node: Node, scope: Scope): Value {
  const found: Record<string, Value> = {};
  for (const property of partsOf(node)) {
    const { name, content } = propertyOf(property, scope);
    if (Object.hasOwn(found, name)) throw refused(scope, property, 'is there twice');
    found[name] = evaluated(content, scope);
  }
  return found;
}

export function propertyOf(node: Node, scope: Scope): { readonly name: string; readonly content: Node } {
  const [key, content] = partsOf(node);
  if (node.type !== 'object_property' || !key || !content) throw refused(scope, node, 'is no property that is known here');
  return { name: key.type === 'string' ? interpolated(key, scope) : key.text, content };
}

export interface Turn {
  readonly body: Node;
  readonly scope: Scope;
  readonly index: number;
}

/** The turns of `[for x in list: body]` or `[for (x, index) in list: body]`. */
export function loopOf(node: Node, scope: Scope): readonly Turn[] {
  const parts = partsOf(node);
  const [names, over, body] = parts;
  if (parts.length !== 3 || !names || !over || !body) throw refused(scope, node, 'is no loop that is known here');
  const [element = '', index] = names.type === 'for_loop_parameters' ? partsOf(names).map(({ text }) => text) : [names.text];
  const list = evaluated(over, scope);
  if (!isList(list)) throw refused(scope, over, 'is no list');
  return list.map((value, at) => ({
    body,
    index: at,
    scope: { ...scope, find: (name) => (name === element ? of(value) : name === index ? of(at) : scope.find(name)) },
  }));
}

/** The grammar has the dot bind less than these operators do, the compiler more: `a ? b : c.d` is refused, `a ? b : (c.d)` is the same to both. */
const BINDS_LESS = new Set(['ternary_expression', 'binary_expression', 'unary_expression', 'lambda_expression']);

function memberOf(node: Node, scope: Scope): Meaning {
  const before = field(node, 'object', scope);
  if (BINDS_LESS.has(before.type))
    throw refused(scope, node, 'needs parentheses around the last of what is before the dot, together with the dot');
  const owner = meaningOf(before, scope);
  if (node.type === 'subscript_expression') {
    const index = evaluated(field(node, 'index', scope), scope);
    if (owner.kind === 'resources' && typeof index === 'number') return { kind: 'resource', resource: owner.at(index) };
    if (owner.kind === 'value' && isList(owner.value) && typeof index === 'number') {
      const element = owner.value[index];
      if (element !== undefined) return of(element);
    }
    throw refused(scope, node, 'is not there');
  }
  const name = field(node, 'property', scope).text;
  if (owner.kind === 'resource') return ofResource(owner.resource, name);
  if (owner.kind === 'module') {
    if (name !== 'outputs') throw refused(scope, node, 'is not known of a module');
    return { kind: 'outputs', output: owner.output };
  }
  if (owner.kind === 'outputs') return of(owner.output(name));
  if (owner.kind === 'value' && isObject(owner.value) && Object.hasOwn(owner.value, name)) return of(owner.value[name] ?? null);
  if (owner.kind === 'value' && typeof owner.value === 'string' && /^\{[^{}]+#[^{}]+\}$/.test(owner.value))
    return of(`${owner.value.slice(0, -1)}.${name}}`);
  throw refused(scope, node, 'is not there');
}

function ofResource(resource: Referenced, name: string): Meaning {
  if (name === 'id' || name === 'name' || name === 'type' || name === 'apiVersion') return of(resource[name]);
  return of(`{${resource.id}#${name}}`);
}

function called(node: Node, scope: Scope): Meaning {
  const name = field(node, 'function', scope);
  const call = name.type === 'identifier' ? calling(name.text) : undefined;
  if (!call) throw refused(scope, name, 'is a function that is not known here');
  const given = partsOf(field(node, 'arguments', scope)).map((argument) => meaningOf(argument, scope));
  try {
    return of(call(given, scope.place));
  } catch (error) {
    throw refused(scope, node, error instanceof Error ? error.message : 'cannot be called so');
  }
}

function lambda(node: Node, scope: Scope): Meaning {
  const [parameter, body] = partsOf(node);
  if (parameter?.type !== 'identifier' || !body) throw refused(scope, node, 'is no lambda that is known here');
  return {
    kind: 'lambda',
    call: (given) => evaluated(body, { ...scope, find: (name) => (name === parameter.text ? of(given ?? null) : scope.find(name)) }),
  };
}

export function isTrue(node: Node, scope: Scope): boolean {
  const value = evaluated(node, scope);
  if (typeof value === 'boolean') return value;
  throw refused(scope, node, 'is neither true nor false');
}

function binary(node: Node, scope: Scope): Value {
  const [left, right] = [field(node, 'left', scope), field(node, 'right', scope)];
  switch (field(node, 'operator', scope).text) {
    case '&&':
      return isTrue(left, scope) && isTrue(right, scope);
    case '||':
      return isTrue(left, scope) || isTrue(right, scope);
    case '==':
      return evaluated(left, scope) === evaluated(right, scope);
    case '+': {
      const [one, other] = [evaluated(left, scope), evaluated(right, scope)];
      if (typeof one === 'number' && typeof other === 'number') return one + other;
      throw refused(scope, node, 'adds what are no numbers');
    }
    case '!=':
      return evaluated(left, scope) !== evaluated(right, scope);
    default:
      throw refused(scope, node, 'has an operator that is not known here');
  }
}
