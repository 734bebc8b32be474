/**
 * The functions of Bicep that the templates call (learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions); any other is refused.
 * `uniqueString` and `guid` give other text than Azure does, of the same form, and always the same for the same arguments.
 */
import { createHash } from 'node:crypto';
import { isList, isObject, type Meaning, type Value } from './values.ts';

export interface Place {
  readonly subscriptionId: string;
  readonly tenantId: string;
  /** Empty in a template for a subscription. */
  readonly resourceGroup: string;
  readonly location: string;
}

type Call = (given: readonly Meaning[], place: Place) => Value;
class WrongArguments extends Error {}

const wrong = (said: string): never => {
  throw new WrongArguments(said);
};
const value = (meaning: Meaning | undefined): Value => (meaning?.kind === 'value' ? meaning.value : wrong('takes values'));
const text = (meaning: Meaning | undefined): string => {
  const given = value(meaning);
  return typeof given === 'string' ? given : wrong('takes text');
};
const list = (meaning: Meaning | undefined): readonly Value[] => {
  const given = value(meaning);
  return isList(given) ? given : wrong('takes a list');
};
const lambda = (meaning: Meaning | undefined) => (meaning?.kind === 'lambda' ? meaning.call : wrong('takes a lambda'));
const name = (given: Value): string => (typeof given === 'string' ? given : wrong('takes names'));

const digest = (parts: readonly string[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex');
const groupId = (place: Place): string => `/subscriptions/${place.subscriptionId}/resourceGroups/${place.resourceGroup}`;

const CALLS: Readonly<Record<string, Call>> = {
  subscription: (_given, { subscriptionId, tenantId }) => ({ id: `/subscriptions/${subscriptionId}`, subscriptionId, tenantId }),
  tenant: (_given, { tenantId }) => ({ tenantId }),
  resourceGroup: (given, place) => {
    if (given.length === 0 && place.resourceGroup === '') wrong('has no resource group here');
    if (given.length > 0) return { subscriptionId: given.length > 1 ? text(given[0]) : place.subscriptionId, name: text(given.at(-1)) };
    return { id: groupId(place), name: place.resourceGroup, location: place.location };
  },
  environment: () => ({ suffixes: { storage: 'core.windows.net' } }),
  subscriptionResourceId: (given, { subscriptionId }) => `/subscriptions/${subscriptionId}/providers/${text(given[0])}/${text(given[1])}`,
  uniqueString: (given) =>
    BigInt(`0x${digest(given.map(text)).slice(0, 17)}`)
      .toString(36)
      .padStart(13, 'a')
      .slice(-13),
  guid: (given) => digest(given.map(text)).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5'),
  empty: (given) => {
    const it = value(given[0]);
    if (it === null) return true;
    if (typeof it === 'string' || isList(it)) return it.length === 0;
    return isObject(it) ? Object.keys(it).length === 0 : wrong('takes text, a list or an object');
  },
  toLower: (given) => text(given[0]).toLowerCase(),
  replace: (given) => text(given[0]).replaceAll(text(given[1]), text(given[2])),
  split: (given) => text(given[0]).split(text(given[1])),
  join: (given) => list(given[0]).map(name).join(text(given[1])),
  last: (given) => list(given[0]).at(-1) ?? wrong('has no last element'),
  string: (given) => {
    const it = value(given[0]);
    return typeof it === 'string' ? it : JSON.stringify(it);
  },
  json: (given) => {
    const parsed: unknown = JSON.parse(text(given[0]));
    return typeof parsed === 'number' ? parsed : wrong('is used for numbers only');
  },
  concat: (given) => given.flatMap(list),
  union: (given) =>
    Object.assign(
      {},
      ...given.map((each) => {
        const it = value(each);
        return isObject(it) ? it : wrong('takes objects');
      }),
    ),
  map: (given) => {
    const each = lambda(given[1]);
    return list(given[0]).map((element) => each(element));
  },
  toObject: (given) => {
    const [key, content] = [lambda(given[1]), lambda(given[2])];
    return Object.fromEntries(list(given[0]).map((element) => [name(key(element)), content(element)]));
  },
};

/** `undefined`: no such function is known here. */
export function calling(called: string): Call | undefined {
  return Object.hasOwn(CALLS, called) ? CALLS[called] : undefined;
}
