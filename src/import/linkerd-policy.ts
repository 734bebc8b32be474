/**
 * Linkerd's policy (policy.linkerd.io): Servers, and AuthorizationPolicies with MeshTLSAuthentications, as the stage of mTLS and `allow`.
 * A network that is allowed, and identities of another kind than service accounts, are said and not imported.
 */
import { z } from 'zod';
import type { AllowRule, Caller } from '../spec/policy-schema.ts';
import { type ImportContext, ofKind, type ServiceDraft } from './draft.ts';
import { reading } from './findings.ts';
import { GATEWAY_API, httpRouteSchema } from './http-route.ts';
import { matches } from './inventory.ts';
import type { SourceObject } from './objects.ts';
import { pathOfExpression } from './path-expression.ts';

const GROUP = 'policy.linkerd.io';
const ACCESS = { into: 'allow', security: true } as const;

const serverSchema = z.object({
  podSelector: z.object({ matchLabels: z.record(z.string(), z.string()).default({}) }).optional(),
  port: z.union([z.int(), z.string()]),
  proxyProtocol: z.string().optional(),
  accessPolicy: z.string().default('deny'),
});
const reference = z.object({ group: z.string().default(''), kind: z.string(), name: z.string(), namespace: z.string().optional() });
const policySchema = z.object({ targetRef: reference, requiredAuthenticationRefs: z.array(reference) });
const authenticationSchema = z.object({ identities: z.array(z.string()).optional(), identityRefs: z.array(reference).optional() });

export function importLinkerdPolicy(context: ImportContext): void {
  for (const object of ofKind(context, GROUP, 'Server')) {
    const spec = reading(context.say, object, serverSchema);
    if (!spec) continue;
    const labels = spec.podSelector?.matchLabels ?? {};
    const drafts = servicesOf(context, object, labels);
    if (drafts.length === 0)
      context.say(object, 'not-imported', {
        ...ACCESS,
        field: 'spec.podSelector',
        message: 'no service is known here whose workloads have these labels; give its Service too',
      });
    for (const draft of drafts) secure(context, object, draft, spec.accessPolicy);
  }
  for (const object of ofKind(context, GATEWAY_API, 'HTTPRoute')) {
    const used = context.drafts.all().some(({ allow }) => allow !== undefined);
    if (used && JSON.stringify(object.spec).includes('"Server"'))
      context.say(object, 'imported', { message: 'part of the AuthorizationPolicies that name it' });
  }
}

function servicesOf(
  context: ImportContext,
  { namespace }: SourceObject,
  labels: Readonly<Record<string, string>>,
): readonly ServiceDraft[] {
  const known = context.inventory.services.filter(
    (service) =>
      service.namespace === namespace &&
      !context.versionServices.has(`${namespace}/${service.name}`) &&
      Object.keys(service.selector).length > 0 &&
      matches(service.selector, labels),
  );
  if (known.length > 0) return known.map(({ name }) => context.drafts.of({ namespace, name }));
  return context.drafts
    .all()
    .filter((draft) => draft.namespace === namespace && matches(draft.fields.selector ?? { app: draft.name }, labels));
}

const STAGES: Readonly<Record<string, 'strict' | 'shadow' | 'permissive'>> = {
  deny: 'strict',
  audit: 'shadow',
  'all-unauthenticated': 'permissive',
};

function secure(context: ImportContext, object: SourceObject, draft: ServiceDraft, accessPolicy: string): void {
  const stage = STAGES[accessPolicy];
  const about = { service: draft.name, ...ACCESS };
  if (!stage) {
    context.say(object, 'not-imported', {
      ...about,
      into: 'mtls',
      field: 'spec.accessPolicy',
      message: `\`${accessPolicy}\` lets in everybody who has an identity or an address, and a spec in \`strict\` names callers: name them in \`allow\``,
    });
    return;
  }
  draft.mtls = stage;
  context.say(object, 'imported', { service: draft.name, into: 'mtls', field: 'spec.accessPolicy' });
  const rules: AllowRule[] = [];
  for (const policy of ofKind(context, GROUP, 'AuthorizationPolicy')) {
    const spec = policySchema.safeParse(policy.spec).data;
    if (!spec || policy.namespace !== object.namespace) continue;
    const route = ofKind(context, GATEWAY_API, 'HTTPRoute').find(
      ({ name, namespace }) => name === spec.targetRef.name && namespace === policy.namespace,
    );
    const isServer = spec.targetRef.kind === 'Server' && spec.targetRef.name === object.name;
    const isRoute = spec.targetRef.kind === 'HTTPRoute' && route !== undefined && hasParent(route, object.name);
    if (!isServer && !isRoute && spec.targetRef.kind !== 'Namespace') continue;
    reading(context.say, policy, policySchema);
    const callers = callersOf(context, policy, draft, spec.requiredAuthenticationRefs);
    if (callers.length === 0) continue;
    const limits = isRoute ? limitsOf(context, route, draft) : [{}];
    rules.push(...limits.map((each) => ({ callers: [...callers], ...each })));
    if (limits.length > 0) context.say(policy, 'imported', { service: draft.name, into: 'allow', field: 'spec' });
  }
  if (stage !== 'permissive' || rules.length > 0) draft.allow = [...(draft.allow ?? []), ...rules];
}

function hasParent({ spec }: SourceObject, server: string): boolean {
  return (httpRouteSchema.safeParse(spec).data?.parentRefs ?? []).some(({ kind, name }) => kind === 'Server' && name === server);
}

function callersOf(
  context: ImportContext,
  policy: SourceObject,
  draft: ServiceDraft,
  references: readonly z.infer<typeof reference>[],
): readonly Caller[] {
  const lost = (message: string): readonly Caller[] => {
    context.say(policy, 'not-imported', {
      service: draft.name,
      ...ACCESS,
      field: 'spec.requiredAuthenticationRefs',
      message: `${message}; these calls are refused`,
    });
    return [];
  };
  const [first, ...more] = references;
  if (!first || more.length > 0) return lost('a spec allows by one identity, and not by several conditions at once');
  if (first.kind === 'ServiceAccount') return [{ namespace: first.namespace ?? policy.namespace, serviceAccount: first.name }];
  if (first.kind !== 'MeshTLSAuthentication') return lost(`a spec knows callers by identity, and not by ${first.kind}`);
  const object = ofKind(context, GROUP, 'MeshTLSAuthentication').find(
    ({ name, namespace }) => name === first.name && namespace === (first.namespace ?? policy.namespace),
  );
  const spec = object && reading(context.say, object, authenticationSchema);
  if (!object || !spec) return lost(`the MeshTLSAuthentication ${first.name} is not here; give it too`);
  context.say(object, 'imported', { service: draft.name, into: 'allow', field: 'spec' });
  const byReference = (spec.identityRefs ?? []).flatMap((each): readonly Caller[] =>
    each.kind === 'ServiceAccount'
      ? [{ namespace: each.namespace ?? object.namespace, serviceAccount: each.name }]
      : lost(`a spec names service accounts one by one, and no ${each.kind}`),
  );
  const byName = (spec.identities ?? []).flatMap((identity): readonly Caller[] => {
    const [, serviceAccount, namespace] = /^([a-z0-9-]+)\.([a-z0-9-]+)\.serviceaccount\.identity\./.exec(identity) ?? [];
    return serviceAccount !== undefined && namespace !== undefined
      ? [{ namespace, serviceAccount }]
      : lost(`\`${identity}\` is no service account`);
  });
  return [...byReference, ...byName];
}

/** By method and path; a match with any other condition allows nothing here. */
function limitsOf(context: ImportContext, route: SourceObject, draft: ServiceDraft): readonly Omit<AllowRule, 'callers'>[] {
  const matched = httpRouteSchema.safeParse(route.spec).data?.rules.flatMap(({ matches: each = [{}] }) => each) ?? [];
  return matched.flatMap(({ path, method, headers = [], ...others }): readonly Omit<AllowRule, 'callers'>[] => {
    if (headers.length > 0 || Object.keys(others).length > 0) {
      context.say(route, 'not-imported', {
        service: draft.name,
        ...ACCESS,
        field: 'spec.rules',
        message: 'a spec allows by method and path alone: these requests are refused',
      });
      return [];
    }
    const value = path?.value ?? '/';
    const found =
      path?.type === 'Exact'
        ? { exact: value }
        : path?.type === 'RegularExpression'
          ? pathOfExpression(value)
          : value === '/'
            ? undefined
            : elements(value);
    return [{ ...(method === undefined ? {} : { methods: [method] }), ...(found ? { paths: [found].flat() } : {}) }];
  });
}

/** A prefix of whole elements is the path itself, and all below it. */
const elements = (prefix: string) => {
  const bare = prefix.replace(/\/$/, '');
  return [{ exact: bare }, { prefix: `${bare}/` }];
};
