/**
 * Consul's service-intentions as `allow`. What they mean hangs on Consul's default for calls that nobody spoke of, so that nothing is
 * imported until somebody says which it is; and a source that is denied is no entry of `allow`.
 */
import { z } from 'zod';
import type { AllowRule } from '../spec/policy-schema.ts';
import { CONSUL, consulPath } from './consul-routing.ts';
import { type ImportContext, ofKind, type ServiceDraft } from './draft.ts';
import { reading } from './findings.ts';
import type { SourceObject } from './objects.ts';

const ACCESS = { into: 'allow', security: true } as const;

/** Conditions that are not known here would widen what is allowed: they stay in what is read, and are looked for. */
const http = z.looseObject({
  pathExact: z.string().optional(),
  pathPrefix: z.string().optional(),
  pathRegex: z.string().optional(),
  methods: z.array(z.string()).optional(),
});
const permission = z.looseObject({ action: z.enum(['allow', 'deny']), http: http.optional() });
/** Of Consul Enterprise; a mesh of a spec is within one of each. */
const place = { namespace: z.string().optional(), partition: z.string().optional() };
const source = z.looseObject({ name: z.string(), ...place, action: z.string().optional(), permissions: z.array(permission).optional() });
const intentionsSchema = z.object({ destination: z.object({ name: z.string(), ...place }), sources: z.array(source) });
type Source = z.infer<typeof source>;

export function importIntentions(context: ImportContext): void {
  const written = ofKind(context, CONSUL, 'ServiceIntentions');
  for (const object of written) {
    const spec = reading(context.say, object, intentionsSchema);
    if (!spec) continue;
    if (context.consulDefault === undefined) {
      context.say(object, 'question', {
        ...ACCESS,
        message:
          'what does Consul do with calls that no intention speaks of? Without `--consul-default allow` or `deny` no intention is imported',
      });
      continue;
    }
    if (spec.destination.name === '*') {
      context.say(object, 'not-imported', {
        ...ACCESS,
        field: 'spec.destination.name',
        message: 'a spec says for each service who may call it, and not for all at once',
      });
      continue;
    }
    const elsewhere = elsewhereIn(spec.destination);
    if (elsewhere !== undefined) {
      context.say(object, 'not-imported', {
        ...ACCESS,
        field: `spec.destination.${elsewhere}`,
        message: `a mesh of a spec is within one ${elsewhere} of Consul, the default one`,
      });
      continue;
    }
    ofService(context, object, context.drafts.of({ namespace: object.namespace, name: spec.destination.name }), spec.sources);
  }
  if (context.consulDefault !== 'deny') return;
  // Whom nobody speaks of is denied.
  const known = new Set(context.objects.flatMap(({ group, namespace, name }) => (group === CONSUL ? [`${namespace}/${name}`] : [])));
  for (const draft of context.drafts.all()) {
    if (!known.has(`${draft.namespace}/${draft.name}`)) continue;
    draft.mtls ??= 'strict';
    draft.allow ??= [];
  }
}

/** What of its place is not the default one. */
function elsewhereIn(at: { readonly namespace?: string | undefined; readonly partition?: string | undefined }) {
  return (['namespace', 'partition'] as const).find((part) => !['', 'default', undefined].includes(at[part]));
}

function ofService(context: ImportContext, object: SourceObject, draft: ServiceDraft, sources: readonly Source[]): void {
  const everybody = sources.find((each) => each.name === '*' && elsewhereIn(each) === undefined);
  const deniesOthers = everybody ? everybody.action === 'deny' : context.consulDefault === 'deny';
  if (!deniesOthers) {
    const message =
      'whom it does not name may call: a spec in `strict` names everybody who may. Name the callers in `allow` and say `mtls: strict`';
    context.say(object, 'not-imported', { service: draft.name, ...ACCESS, field: 'spec.sources', message });
    return;
  }
  draft.mtls = 'strict';
  draft.allow = sources.flatMap((each, index) =>
    each === everybody ? [] : rulesOf(context, object, draft, each, `spec.sources[${index}]`),
  );
  if (everybody) context.say(object, 'imported', { service: draft.name, into: 'mtls', field: 'spec.sources' });
}

const KNOWN = ['name', 'action', 'permissions', 'description', 'namespace', 'partition'];

function rulesOf(context: ImportContext, object: SourceObject, draft: ServiceDraft, written: Source, field: string): readonly AllowRule[] {
  const lost = (part: string, message: string): readonly AllowRule[] => {
    context.say(object, 'not-imported', { service: draft.name, ...ACCESS, field: `${field}${part}`, message: `${message}; it is refused` });
    return [];
  };
  const unknown = Object.keys(written).find((key) => !KNOWN.includes(key));
  if (unknown) return lost(`.${unknown}`, 'a spec knows callers as services and has no such condition');
  const elsewhere = elsewhereIn(written);
  if (elsewhere !== undefined) return lost(`.${elsewhere}`, `a caller of another ${elsewhere} of Consul is another caller`);
  if (written.name.includes('*')) return lost('.name', 'a spec names callers one by one');
  const callers = [callerOf(context, draft, written.name)];
  const said = (): void => context.say(object, 'imported', { service: draft.name, into: 'allow', field });
  if (written.permissions === undefined) {
    said();
    return written.action === 'allow' ? [{ callers }] : [];
  }
  // The first permission that fits decides: from a denial on, what is allowed may be denied before.
  const denied = written.permissions.findIndex(
    ({ action, http: conditions }, index) =>
      action === 'deny' && !(index === (written.permissions?.length ?? 0) - 1 && isEverything(conditions)),
  );
  const allowed = denied === -1 ? written.permissions : written.permissions.slice(0, denied);
  if (denied !== -1) lost(`.permissions[${denied}]`, 'a spec does not deny: what comes after this is left out');
  return allowed.flatMap(({ action, http: conditions = {}, ...others }, index): readonly AllowRule[] => {
    if (action === 'deny') return [];
    const strange = [
      ...Object.keys(others),
      ...Object.keys(conditions).filter((key) => !['pathExact', 'pathPrefix', 'pathRegex', 'methods'].includes(key)),
    ];
    if (strange.length > 0) return lost(`.permissions[${index}]`, `a spec allows by method and path and has no \`${strange[0]}\``);
    said();
    const path = consulPath(conditions);
    const { methods } = conditions;
    return [{ callers, ...(methods && methods.length > 0 ? { methods: [...methods].sort() } : {}), ...(path ? { paths: [path] } : {}) }];
  });
}

const isEverything = (conditions: z.infer<typeof http> | undefined): boolean =>
  conditions === undefined || (Object.keys(conditions).length === 1 && (conditions.pathRegex === '.*' || conditions.pathPrefix === '/'));

/** Consul knows callers by the names of services; whose account they have, the objects of a cluster may say. */
function callerOf(
  context: ImportContext,
  draft: ServiceDraft,
  name: string,
): { readonly namespace: string; readonly serviceAccount: string } {
  const there = context.drafts.all().find((each) => each.name === name);
  return { namespace: there?.namespace ?? draft.namespace, serviceAccount: there?.fields.serviceAccount ?? name };
}
