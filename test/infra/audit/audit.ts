/**
 * Compares what would be deployed with what the code says of itself. A check asks for the resources that something of the code needs; what it
 * asks for and does not find is a problem, and so is, at the end, what nobody asked for.
 */
import type { Deployed } from '../bicep/deployment.ts';
import type { Value, ValueObject } from '../bicep/values.ts';
import type { CodeFacts } from '../code-facts.ts';

export interface Wanted {
  readonly type: string;
  /** What needs it, in words for people. */
  readonly because: string;
  readonly name?: string;
  /** The id of what it belongs to, or is an extension of. */
  readonly of?: string | undefined;
  readonly matching?: (resource: Deployed) => boolean;
}

export class Audit {
  readonly facts: CodeFacts;
  readonly parameters: ValueObject;
  readonly #resources: readonly Deployed[];
  readonly #asked = new Set<string>();
  readonly #problems: string[] = [];

  constructor(resources: readonly Deployed[], facts: CodeFacts, parameters: ValueObject) {
    this.#resources = resources;
    this.facts = facts;
    this.parameters = parameters;
  }

  /** All that fit. */
  every({ type, name, of, matching = () => true }: Omit<Wanted, 'because'>): readonly Deployed[] {
    const found = this.#resources.filter(
      (each) =>
        each.type === type &&
        (name === undefined || each.name === name) &&
        (of === undefined || each.extends === of || (each.extends === '' && each.id.startsWith(`${of}/`))) &&
        matching(each),
    );
    for (const { id } of found) this.#asked.add(id);
    return found;
  }

  /** The one that fits; that there is none, or more than one, is a problem. */
  one(wanted: Wanted): Deployed | undefined {
    const found = this.every(wanted);
    const what = [wanted.type, wanted.name, wanted.of && `of ${lastOf(wanted.of)}`].filter(Boolean).join(' ');
    this.expect(found.length === 1, `${what}: there ${found.length === 0 ? 'is none' : `are ${found.length}`}, and ${wanted.because}`);
    return found.length === 1 ? found[0] : undefined;
  }

  expect(holds: boolean, problem: string): void {
    if (!holds) this.#problems.push(problem);
  }

  equal(actual: Value | undefined, expected: unknown, what: string): void {
    this.expect(
      JSON.stringify(actual) === JSON.stringify(expected),
      `${what} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`,
    );
  }

  /** What was not as it has to be, and every resource that nothing asked for. */
  problems(): readonly string[] {
    const unasked = this.#resources.filter(({ id }) => !this.#asked.has(id));
    return [...this.#problems, ...unasked.map(({ file, symbol, id }) => `${file}: nothing needs ${symbol} (${id})`)];
  }
}

export const lastOf = (id: string): string => id.split('/').at(-1) ?? '';
/** Something that only Azure knows, of a resource. */
export const known = (id: string, path: string): string => `<${id}#${path}>`;
