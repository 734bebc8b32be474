/**
 * Structural mutation: a valid sample with a few steps of damage done to it, as JSON, text or bytes. A pure function of the sample and the
 * steps, so that a failing input can be made again and shrunk.
 */
import type { Json } from '../../src/journal/documents.ts';

export interface Step {
  /** Which node, letter or byte: taken modulo how many there are. */
  readonly where: number;
  readonly how: number;
  /** What is put there. */
  readonly what: Json;
}

/** Keys that mean something to JavaScript, and those that mean something to people who look quickly. */
const KEYS = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', '', ' ', 'a.b', 'a/b', '\ud800', '0', '-1'];
const DEEP = 700;

/** The sample after every step. */
export const mutatedJson = (sample: Json, steps: readonly Step[]): Json => steps.reduce(damagedJson, sample);

function damagedJson(whole: Json, { where, how, what }: Step): Json {
  const target = where % countOf(whole);
  let at = -1;
  const walk = (value: Json): Json => {
    at += 1;
    if (at === target) return damaged(value, how, what);
    if (isList(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    // Own fields, whatever they are called: an assignment to `__proto__` would be none.
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner ?? null)]));
  };
  return walk(whole);
}

function damaged(value: Json, how: number, what: Json): Json {
  const entries = Object.entries(typeof value === 'object' && value !== null ? value : {});
  const [first] = entries;
  switch (how % 14) {
    case 0:
      return what;
    case 1:
      return [value];
    case 2:
      return { value };
    case 3:
      return JSON.stringify(value);
    case 4:
      return typeof value === 'string' ? `${value}${typeof what === 'string' ? what : ''}` : typeof value === 'number' ? String(value) : [];
    case 5:
      return typeof value === 'string' ? value.slice(0, Math.floor(value.length / 2)) : typeof value === 'number' ? -value : {};
    case 6:
      return typeof value === 'string' ? value.repeat(40) : Array.from({ length: 300 }, () => what);
    case 7:
      return Object.fromEntries([...entries, [KEYS[how % KEYS.length] ?? '', what]]);
    case 8:
      return Object.fromEntries(entries.slice(1));
    case 9:
      return Object.fromEntries(entries.map(([key, inner], index) => [index === 0 ? (KEYS[how % KEYS.length] ?? '') : key, inner]));
    case 10:
      return first === undefined ? value : [...entries.map(([, inner]) => inner ?? null), first[1] ?? null];
    case 11:
      return Object.fromEntries(entries.map(([key, inner]) => [how % 2 === 0 ? key.toUpperCase() : `${key} `, inner]));
    case 12:
      return nested(value, how % 5 === 0 ? DEEP : 40);
    default:
      return typeof value === 'string' ? `${value}\n${value}` : null;
  }
}

function nested(value: Json, depth: number): Json {
  let deep = value;
  for (let level = 0; level < depth; level += 1) deep = level % 2 === 0 ? [deep] : { deep };
  return deep;
}

function countOf(value: Json): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce<number>((sum, inner) => sum + countOf(inner ?? null), 1);
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);

export const mutatedText = (sample: string, steps: readonly Step[]): string => steps.reduce(damagedText, sample);

function damagedText(text: string, { where, how, what }: Step): string {
  const at = where % (text.length + 1);
  const to = Math.min(text.length, at + 1 + (how % 24));
  const word = typeof what === 'string' ? what : JSON.stringify(what);
  switch (how % 6) {
    case 0:
      return text.slice(0, at) + word + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(to);
    case 2:
      return text.slice(0, at) + word + text.slice(to);
    case 3:
      return text.slice(0, to) + text.slice(at, to).repeat(how % 30) + text.slice(to);
    case 4:
      return text.slice(0, at);
    default:
      return text.slice(0, at) + String.fromCharCode((where * 31 + how) & 0xffff) + text.slice(at + 1);
  }
}

export const mutatedBytes = (sample: Uint8Array, steps: readonly Step[]): Uint8Array => steps.reduce(damagedBytes, sample);

function damagedBytes(bytes: Uint8Array, { where, how }: Step): Uint8Array {
  const at = where % (bytes.length + 1);
  const to = Math.min(bytes.length, at + 1 + (how % 24));
  const parts = (...some: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(some));
  switch (how % 6) {
    case 0:
      return parts(bytes.subarray(0, at), bytes.subarray(to));
    case 1:
      return parts(bytes.subarray(0, to), bytes.subarray(at));
    case 2:
      return bytes.subarray(0, at);
    case 3:
      return parts(bytes, bytes.subarray(at, to));
    default:
      return parts(bytes.subarray(0, at), new Uint8Array([how % 5 === 0 ? 0xff : (where ^ how) & 0xff]), bytes.subarray(at + 1));
  }
}
