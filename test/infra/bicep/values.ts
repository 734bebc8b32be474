/** What expressions of a template come to: JSON, and what is only there while a template is read (resources, modules, lambdas). */
import type { Node } from 'web-tree-sitter';

export type Value = null | boolean | number | string | readonly Value[] | ValueObject;
export interface ValueObject {
  readonly [name: string]: Value;
}

/** Something of the template that can be asked for its members, or called. */
export type Meaning =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'resource'; readonly resource: Referenced }
  | { readonly kind: 'resources'; readonly at: (index: number) => Referenced }
  | { readonly kind: 'module' | 'outputs'; readonly output: (name: string) => Value }
  | { readonly kind: 'lambda'; readonly call: (...given: readonly Value[]) => Value };

/** What can be asked of a resource before anything is made: all else is known only to Azure, and stands as `{<id>#<path>}`. */
export interface Referenced {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly apiVersion: string;
}

/** The templates say something that the reader does not know, or that Azure would not take. */
export class TemplateRefused extends Error {
  constructor(file: string, node: Node | undefined, message: string) {
    super(`${file}${node ? `:${node.startPosition.row + 1}` : ''}: ${message}`);
    this.name = 'TemplateRefused';
  }
}

export const isObject = (value: Value | undefined): value is ValueObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
export const isList = (value: Value | undefined): value is readonly Value[] => Array.isArray(value);

/** The value at a path of names and indices; `undefined` where there is none. */
export function valueAt(value: Value | undefined, ...path: readonly (string | number)[]): Value | undefined {
  let found = value;
  for (const step of path) {
    if (isList(found)) found = typeof step === 'number' ? found[step] : undefined;
    else if (isObject(found)) found = Object.hasOwn(found, step) ? found[step] : undefined;
    else return undefined;
  }
  return found;
}

export function textAt(value: Value | undefined, ...path: readonly (string | number)[]): string {
  const found = valueAt(value, ...path);
  return typeof found === 'string' ? found : '';
}

export function listAt(value: Value | undefined, ...path: readonly (string | number)[]): readonly Value[] {
  const found = valueAt(value, ...path);
  return isList(found) ? found : [];
}
