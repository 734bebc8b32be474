/**
 * What a template would make with given parameters: every resource of it and of its modules, with its id, as Azure Resource Manager would be
 * asked for it. Conditions, loops, modules in other scopes and extension resources are followed; nothing is sent anywhere.
 */
import type { Node } from 'web-tree-sitter';
import { type Declaration, readTemplate, type Template } from './declarations.ts';
import { evaluated, isTrue, loopOf, meaningOf, propertyOf, type Scope, textOf } from './expressions.ts';
import type { Place } from './functions.ts';
import { partsOf } from './syntax.ts';
import { isList, isObject, type Meaning, type Referenced, TemplateRefused, type Value, type ValueObject } from './values.ts';

export interface Deployed extends Referenced {
  /** What it is an extension of, such as the account that a role is assigned on; empty for what stands by itself. */
  readonly extends: string;
  /** Without name, parent and scope. */
  readonly body: ValueObject;
  /** What `@description` says of it. */
  readonly description: string;
  readonly file: string;
  readonly symbol: string;
}

export interface Deployment {
  readonly resources: readonly Deployed[];
  readonly outputs: ValueObject;
}

/** The text of a template by its file name. */
export type Read = (file: string) => string;

/** @throws {TemplateRefused} where a template says what is not known here, or what Azure would refuse before it makes anything. */
export function deploy(read: Read, file: string, given: ValueObject, place: Place): Deployment {
  const template = readTemplate(read(file), file);
  const resources: Deployed[] = [];
  const scope = new Evaluation(template, given, place, read, resources);
  for (const declaration of template.declarations.values()) {
    if (declaration.kind !== 'var') scope.find(declaration.name);
    scope.make(declaration);
  }
  const outputs = Object.fromEntries(
    template.outputs.map(({ name, content, node }) => {
      if (!content) throw new TemplateRefused(file, node, 'has no value');
      return [name, evaluated(content, scope)];
    }),
  );
  return { resources, outputs };
}

/** One template with its parameters: what its names mean, each found out when it is first asked for, and what it makes. */
class Evaluation implements Scope {
  readonly file: string;
  readonly place: Place;
  readonly #template: Template;
  readonly #given: ValueObject;
  readonly #read: Read;
  readonly #resources: Deployed[];
  readonly #known = new Map<string, Meaning>();
  readonly #under = new Set<string>();

  constructor(template: Template, given: ValueObject, place: Place, read: Read, resources: Deployed[]) {
    this.file = template.file;
    this.place = place;
    this.#template = template;
    this.#given = given;
    this.#read = read;
    this.#resources = resources;
    for (const name of Object.keys(given))
      if (template.declarations.get(name)?.kind !== 'param')
        throw new TemplateRefused(this.file, undefined, `${name} is no parameter of it`);
  }

  readonly find = (name: string): Meaning | undefined => {
    const declaration = this.#template.declarations.get(name);
    if (!declaration) return undefined;
    const found = this.#known.get(name);
    if (found) return found;
    if (this.#under.has(name)) throw new TemplateRefused(this.file, declaration.node, `${name} needs itself`);
    this.#under.add(name);
    const meaning = this.#meaningOf(declaration);
    this.#under.delete(name);
    this.#known.set(name, meaning);
    return meaning;
  };

  /** What the declaration of a resource makes: none, one, or one for each turn of its loop. */
  make(declaration: Declaration): void {
    if (declaration.kind !== 'resource' || declaration.existing || !declaration.content) return;
    for (const { body, scope } of this.#turnsOf(declaration.content))
      if (holds(body, scope)) this.#resources.push(deployedOf(declaration, bodyOf(body), scope));
  }

  #turnsOf(content: Node): readonly { readonly body: Node; readonly scope: Scope }[] {
    return content.type === 'for_statement' ? loopOf(content, this) : [{ body: content, scope: this }];
  }

  #meaningOf(declaration: Declaration): Meaning {
    const { kind, name, node, content } = declaration;
    if (kind === 'param') {
      const given = Object.hasOwn(this.#given, name) ? this.#given[name] : undefined;
      return { kind: 'value', value: checked(declaration, this, given) };
    }
    if (!content) throw new TemplateRefused(this.file, node, 'has no value');
    if (kind === 'var') return meaningOf(content, this);
    if (kind === 'module') return this.#moduleOf(declaration, content);
    if (content.type !== 'for_statement') return { kind: 'resource', resource: referenced(declaration, bodyOf(content), this) };
    const turns = this.#turnsOf(content);
    return {
      kind: 'resources',
      at: (index) => {
        const turn = turns[index];
        if (!turn) throw new TemplateRefused(this.file, node, `has no element ${index}`);
        return referenced(declaration, bodyOf(turn.body), turn.scope);
      },
    };
  }

  #moduleOf({ type, node }: Declaration, content: Node): Meaning {
    const outputs = this.#turnsOf(content).flatMap(({ body, scope }) => {
      if (!holds(body, scope)) return [];
      const properties = propertiesOf(bodyOf(body), scope);
      const [params, where] = [properties.get('params'), properties.get('scope')];
      const given = params ? handedOver(evaluated(params, scope)) : {};
      if (!isObject(given)) throw new TemplateRefused(this.file, node, 'has params that are no object');
      const place = where ? placeOf(where, scope) : { ...this.place, resourceGroup: '' };
      const deployment = deploy(this.#read, type.slice(2), given, place);
      this.#resources.push(...deployment.resources);
      return [deployment.outputs];
    });
    return {
      kind: 'module',
      output: (name) => {
        const [only] = outputs;
        const value = only && Object.hasOwn(only, name) ? only[name] : undefined;
        if (value === undefined || outputs.length > 1)
          throw new TemplateRefused(this.file, node, `${type} is not deployed, or has no output ${name}`);
        return value;
      },
    };
  }
}

/** What only Azure knows when a template begins is known to the modules that it is handed over to. */
function handedOver(value: Value): Value {
  if (typeof value === 'string') return value.replaceAll(/\{([^{}]+#[^{}]+)\}/g, '<$1>');
  if (isList(value)) return value.map(handedOver);
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, handedOver(each)])) : value;
}

/** Names, places and conditions have to be known when a deployment begins (BCP120 of the compiler). */
function mustBeKnown(node: Node | undefined, scope: Scope): void {
  if (!node) return;
  const value = meaningOf(node, scope);
  if (value.kind === 'value' && typeof value.value === 'string' && /\{[^{}]+#[^{}]+\}/.test(value.value))
    throw new TemplateRefused(scope.file, node, `${node.text} is not known when the deployment begins`);
  if (/\.outputs\b/.test(node.text)) throw new TemplateRefused(scope.file, node, `${node.text} is not known when the deployment begins`);
}

/** A resource group's own symbol, or `resourceGroup(...)` of another one. */
function placeOf(node: Node, scope: Scope): Place {
  const meaning = meaningOf(node, scope);
  if (meaning.kind === 'resource') return { ...scope.place, resourceGroup: meaning.resource.name };
  if (meaning.kind === 'value' && isObject(meaning.value)) {
    const { subscriptionId, name } = meaning.value;
    if (typeof subscriptionId === 'string' && typeof name === 'string') return { ...scope.place, subscriptionId, resourceGroup: name };
  }
  throw new TemplateRefused(scope.file, node, 'is no scope that is known here');
}

const bodyOf = (node: Node): Node => (node.type === 'if_statement' ? (partsOf(node)[1] ?? node) : node);

function holds(node: Node, scope: Scope): boolean {
  const [condition] = node.type === 'if_statement' ? partsOf(node) : [];
  mustBeKnown(condition, scope);
  return condition === undefined || isTrue(condition, scope);
}

function propertiesOf(body: Node, scope: Scope): ReadonlyMap<string, Node> {
  if (body.type !== 'object') throw new TemplateRefused(scope.file, body, 'is no body that is known here');
  return new Map(
    partsOf(body).map((property) => {
      const { name, content } = propertyOf(property, scope);
      return [name, content];
    }),
  );
}

function referenced({ type: declared, node }: Declaration, body: Node, scope: Scope): Referenced {
  const [type = '', apiVersion = ''] = declared.split('@');
  const properties = propertiesOf(body, scope);
  const nameNode = properties.get('name');
  if (!nameNode || apiVersion === '') throw new TemplateRefused(scope.file, node, 'has no name or no version');
  const name = textOf(nameNode, scope);
  const parent = symbol(properties.get('parent'), scope);
  if (parent) {
    if (!type.startsWith(`${parent.type}/`) || type.slice(parent.type.length + 1).includes('/'))
      throw new TemplateRefused(scope.file, node, `${type} is no child of ${parent.type}`);
    return { id: `${parent.id}/${type.split('/').at(-1)}/${name}`, name, type, apiVersion };
  }
  if (type.split('/').length !== 2) throw new TemplateRefused(scope.file, node, `${type} needs a parent`);
  return { id: `${owner(type, properties, scope)}/${name}`, name, type, apiVersion };
}

/** All of an id but the name. */
function owner(type: string, properties: ReadonlyMap<string, Node>, scope: Scope): string {
  const { subscriptionId, resourceGroup } = scope.place;
  const subscription = `/subscriptions/${subscriptionId}`;
  if (type === 'Microsoft.Resources/resourceGroups') return `${subscription}/resourceGroups`;
  const node = properties.get('scope');
  if (node) {
    const meaning = meaningOf(node, scope);
    if (meaning.kind === 'resource') return `${meaning.resource.id}/providers/${type}`;
    const place = placeOf(node, scope);
    return `/subscriptions/${place.subscriptionId}/resourceGroups/${place.resourceGroup}/providers/${type}`;
  }
  return `${subscription}${resourceGroup === '' ? '' : `/resourceGroups/${resourceGroup}`}/providers/${type}`;
}

function symbol(node: Node | undefined, scope: Scope): Referenced | undefined {
  if (!node) return undefined;
  const meaning = meaningOf(node, scope);
  if (meaning.kind === 'resource') return meaning.resource;
  throw new TemplateRefused(scope.file, node, 'is no resource');
}

const APART = new Set(['name', 'parent', 'scope', 'dependsOn']);

function deployedOf(declaration: Declaration, body: Node, scope: Scope): Deployed {
  const properties = propertiesOf(body, scope);
  const dependsOn = properties.get('dependsOn');
  for (const element of dependsOn ? partsOf(dependsOn) : []) symbol(element, scope);
  mustBeKnown(properties.get('name'), scope);
  mustBeKnown(properties.get('location'), scope);
  const said = declaration.decorators.get('description');
  const scopeNode = properties.get('scope');
  return {
    ...referenced(declaration, body, scope),
    extends: scopeNode ? (symbol(scopeNode, scope)?.id ?? '') : '',
    body: Object.fromEntries([...properties].filter(([name]) => !APART.has(name)).map(([name, node]) => [name, evaluated(node, scope)])),
    description: said ? textOf(said, scope) : '',
    file: scope.file,
    symbol: declaration.name,
  };
}

function checked({ name, type, node, content, decorators }: Declaration, scope: Scope, given: Value | undefined): Value {
  const value = given === undefined && content ? evaluated(content, scope) : given;
  if (value === undefined) throw new TemplateRefused(scope.file, node, `${name} has to be given`);
  const actual = isList(value)
    ? 'array'
    : isObject(value)
      ? 'object'
      : typeof value === 'number'
        ? 'int'
        : typeof value === 'boolean'
          ? 'bool'
          : typeof value;
  if (actual !== type) throw new TemplateRefused(scope.file, node, `${name} is ${type}, not ${actual}`);
  const size = typeof value === 'number' ? value : typeof value === 'string' || isList(value) ? value.length : 0;
  const bound = (decorator: string): number | undefined => {
    const argument = decorators.get(decorator);
    const limit = argument ? evaluated(argument, scope) : undefined;
    return typeof limit === 'number' ? limit : undefined;
  };
  const [least, most] = [bound('minValue') ?? bound('minLength'), bound('maxValue') ?? bound('maxLength')];
  if ((least !== undefined && size < least) || (most !== undefined && size > most))
    throw new TemplateRefused(scope.file, node, `${name} is out of bounds`);
  const allowed = decorators.get('allowed');
  const choices = allowed ? evaluated(allowed, scope) : undefined;
  if (isList(choices) && !choices.includes(value)) throw new TemplateRefused(scope.file, node, `${name} may not be ${String(value)}`);
  return value;
}
