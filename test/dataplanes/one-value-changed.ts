/** One value of a plan changed to another of its kind, wherever it is: what a renderer must not be deaf to. */
import type { Json } from '../../src/journal/documents.ts';

export type Place = readonly (string | number)[];

/** Another value of the same place, where not every text or number is one. */
const OTHER: Readonly<Record<string, Json>> = {
  strict: 'permissive',
  shadow: 'strict',
  permissive: 'shadow',
  all: 'errors',
  errors: 'all',
};
const OTHERS: Readonly<Record<string, readonly [string, string]>> = {
  protocol: ['http', 'grpc'],
  'loadBalancing.policy': ['random', 'round-robin'],
  'egress.protocol': ['http', 'tls'],
  'routes.match.methods': ['GET', 'POST'],
  'security.allow.methods': ['GET', 'POST'],
  'routes.retries.on': ['reset', 'retriable-4xx'],
};

export const withoutIndexes = (place: Place): string => place.filter((step) => typeof step === 'string').join('.');

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);

/** The places of all texts, numbers and truth values. */
export function leaves(value: Json, place: Place = []): Place[] {
  if (value === null || typeof value !== 'object') return [place];
  if (isList(value)) return value.flatMap((each, index) => leaves(each, [...place, index]));
  return Object.entries(value).flatMap(([name, each]) => (each === undefined ? [] : leaves(each, [...place, name])));
}

/** `value` with another value at `place`, which is one of its leaves. */
export function changedAt(value: Json, place: Place): Json {
  return changed(value, place, place);
}

function changed(value: Json, [step, ...rest]: Place, place: Place): Json {
  if (step === undefined) return another(place, value);
  if (isList(value)) return value.map((each, index) => (index === step ? changed(each, rest, place) : each));
  if (value === null || typeof value !== 'object') throw new Error(`nothing at ${place.join('.')}`);
  const inside = value[String(step)];
  return inside === undefined ? value : { ...value, [String(step)]: changed(inside, rest, place) };
}

function another(place: Place, value: Json): Json {
  if (typeof value === 'number') return value > 1 ? value - 1 : value + 1;
  if (typeof value === 'boolean') return !value;
  if (typeof value !== 'string') throw new Error(`no leaf: ${place.join('.')}`);
  const [one, two] = OTHERS[withoutIndexes(place)] ?? [];
  if (one !== undefined && two !== undefined) return value === one ? two : one;
  return OTHER[value] ?? `${value}x`;
}
