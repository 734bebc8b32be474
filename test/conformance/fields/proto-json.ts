/** Reading Envoy's proto JSON as `/config_dump` prints it: names in snake case, and what has its default left out. */
import type { Json, JsonObject } from '../../../src/journal/documents.ts';

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

/** What is at this place, if the way there is made of messages. */
export function at(value: Json | undefined, ...path: readonly string[]): Json | undefined {
  return path.reduce((here: Json | undefined, name) => (isObject(here) ? here[name] : undefined), value);
}

/** The messages of a repeated field; none where it was left out. */
export function messages(value: Json | undefined, ...path: readonly string[]): readonly JsonObject[] {
  const found = at(value, ...path);
  return isList(found) ? found.filter(isObject) : [];
}

/** The texts of a repeated field; none where it was left out. */
export function texts(value: Json | undefined, ...path: readonly string[]): readonly string[] {
  const found = at(value, ...path);
  return isList(found) ? found.filter((one) => typeof one === 'string') : [];
}

export function text(value: Json | undefined, ...path: readonly string[]): string | undefined {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : undefined;
}

/** 64-bit numbers are texts in proto JSON, and wrapped ones may be `{value}`. */
export function number(value: Json | undefined, ...path: readonly string[]): number | undefined {
  const found = at(value, ...path);
  if (isObject(found)) return found.value === undefined ? 0 : number(found.value);
  return typeof found === 'number' || typeof found === 'string' ? Number(found) : undefined;
}

/** A google.protobuf.Duration such as `1.500s`, in milliseconds. */
export function duration(value: Json | undefined, ...path: readonly string[]): number | undefined {
  const found = text(value, ...path);
  return found === undefined ? undefined : Math.round(Number(found.replace(/s$/, '')) * 1000);
}

const DENOMINATORS: Readonly<Record<string, number>> = { HUNDRED: 100, TEN_THOUSAND: 10_000, MILLION: 1_000_000 };

/** An envoy.type.v3.FractionalPercent, in percent. */
export function percent(value: Json | undefined, ...path: readonly string[]): number | undefined {
  const found = at(value, ...path);
  if (!isObject(found)) return undefined;
  return ((number(found, 'numerator') ?? 0) / (DENOMINATORS[text(found, 'denominator') ?? 'HUNDRED'] ?? 100)) * 100;
}

/** A message that says one of `known`, and nothing this reader does not know: what is passed over here would be read wrongly. */
export function knownFields(what: string, message: JsonObject, known: readonly string[]): void {
  const strange = Object.keys(message).filter((name) => !known.includes(name));
  if (strange.length > 0) throw new Error(`${what} says ${strange.join(', ')}, which this test cannot read.`);
}
