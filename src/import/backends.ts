/**
 * Versions that are Services of their own, as SMI, Gateway API and Linkerd divide requests: which label tells them apart is read from
 * their selectors. A Service that did not come with the import is asked for, and its version taken from its name until then.
 */
import type { WeightedVersion } from '../plan/plan.ts';
import { isVersion } from '../spec/names.ts';
import { claim, type DraftRoute, type ImportContext, type ServiceDraft, type ServiceName } from './draft.ts';
import { versionsOf } from './inventory.ts';
import type { SourceObject } from './objects.ts';
import { percentages } from './quantities.ts';

export interface Backend extends ServiceName {
  readonly weight: number;
}

export type BackendVersions = ReadonlyMap<string, string>;

const keyOf = ({ namespace, name }: ServiceName): string => `${namespace}/${name}`;

/** The version of each of them, by `namespace/name`; one that has none is said, and not in it. */
export function versionsOfBackends(
  context: ImportContext,
  object: SourceObject,
  draft: ServiceDraft,
  backends: readonly ServiceName[],
  field: string,
): BackendVersions {
  const others = [...new Map(backends.filter((each) => keyOf(each) !== keyOf(draft)).map((each) => [keyOf(each), each])).values()];
  if (others.length === 0) return new Map();
  for (const each of others) context.versionServices.add(keyOf(each));
  const root = context.inventory.service(draft);
  const known = others.flatMap((each) => context.inventory.service(each) ?? []);
  const { label, versions, selector } = versionsOf(new Map(known.map((each) => [keyOf(each), each.selector])), root?.selector);
  if (label !== undefined && known.length === others.length) {
    claim(context, draft, ['versionLabel', 'versionLabel'], label, { object, field });
    for (const each of known) context.say(each.object, 'imported', { service: draft.name, into: 'versionLabel', field: 'spec.selector' });
    if (!root && Object.keys(selector).length > 0) claim(context, draft, ['selector', 'selector'], selector, { object, field });
    return versions;
  }
  const guessed = others.flatMap((each) => {
    const begin = `${draft.name}-`;
    const version = each.name.startsWith(begin) ? each.name.slice(begin.length) : each.name;
    return isVersion(version) ? [[keyOf(each), version] as const] : [];
  });
  const missing = others.filter((each) => !context.inventory.service(each)).map(keyOf);
  const message =
    missing.length > 0
      ? `the versions are taken from the names of the Services; give ${missing.join(' and ')} too, so that the label that tells them apart can be read, or see that workloads carry \`version\``
      : 'no one label tells the workloads of these Services apart; give them one such as `version`, with the value that the spec has';
  context.say(object, 'question', { service: draft.name, into: 'versionLabel', field, message });
  return new Map(guessed);
}

/** What of a route is said of its backends; `undefined`, and said, when it cannot be. Whole-service backends are all versions alike. */
export function splitOf(
  context: ImportContext,
  object: SourceObject,
  draft: ServiceDraft,
  { backends, versions, field }: { readonly backends: readonly Backend[]; readonly versions: BackendVersions; readonly field: string },
): Pick<DraftRoute, 'split'> | undefined {
  const about = { service: draft.name, field };
  const used = backends.filter(({ weight }) => weight > 0);
  if (used.length > 0 && used.every((each) => keyOf(each) === keyOf(draft))) return {};
  const unknown = backends.filter((each) => versions.get(keyOf(each)) === undefined);
  if (unknown.length > 0) {
    const names = unknown.map(keyOf).join(', ');
    context.say(object, 'not-imported', {
      ...about,
      message: `${names}: no version of ${draft.name} is known for this, and a spec divides requests over versions`,
    });
    return undefined;
  }
  return splitOfVersions(
    context,
    object,
    draft,
    backends.map((each) => ({ version: versions.get(keyOf(each)) ?? '', weight: each.weight })),
    field,
  );
}

/** Of weights that are proportions. */
export function splitOfVersions(
  { say }: Pick<ImportContext, 'say'>,
  object: SourceObject,
  draft: ServiceDraft,
  weights: readonly WeightedVersion[],
  field: string,
): Pick<DraftRoute, 'split'> | undefined {
  const shares = percentages(weights);
  if (!shares) {
    say(object, 'not-imported', { service: draft.name, field, message: 'all weights are 0: no request is answered there' });
    return undefined;
  }
  if (shares.normalized) {
    const [was, now] = [weights.map(({ weight }) => weight), shares.split.map(({ version, weight }) => `${version} ${weight} %`)];
    say(object, 'approximated', {
      service: draft.name,
      into: 'stable',
      field,
      message: `the weights ${was.join(' : ')} are ${now.join(', ')} in whole percent`,
    });
  }
  return { split: shares.split };
}
