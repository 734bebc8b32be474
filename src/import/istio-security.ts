/**
 * PeerAuthentications and AuthorizationPolicies (security.istio.io) as the stage of mTLS and `allow` of the services they hold for. What
 * cannot be said is left out and never widened: a rule goes whole when one of its conditions is not known here, and DENY is no `allow`.
 */
import type { ImportContext, ServiceDraft } from './draft.ts';
import { ofKind } from './draft.ts';
import { reading } from './findings.ts';
import { matches } from './inventory.ts';
import { allowRulesOf, trustDomainOf } from './istio-rules.ts';
import { authorizationPolicySchema, peerAuthenticationSchema } from './istio-schema.ts';
import type { SourceObject } from './objects.ts';

/** Where policies hold for the whole mesh. */
const ROOT_NAMESPACES = ['istio-system', 'aks-istio-system'];
const SECURITY = { security: true } as const;

type Selector = { readonly matchLabels: Readonly<Record<string, string>> } | undefined;
interface Policy<Spec> {
  readonly object: SourceObject;
  readonly spec: Spec;
}
interface Policies {
  readonly modes: readonly Policy<{ readonly selector?: Selector; readonly mtls?: { readonly mode: Mode } | undefined }>[];
  readonly allowing: readonly Policy<AuthorizationSpec>[];
  readonly trustDomain: string;
}
type Mode = 'UNSET' | 'DISABLE' | 'PERMISSIVE' | 'STRICT';
type AuthorizationSpec = NonNullable<ReturnType<typeof readAuthorization>>;

/** After everything else that names services. Gives the trust domain of the identities that are named. */
export function importIstioSecurity(context: ImportContext): string | undefined {
  const modes = ofKind(context, 'security.istio.io', 'PeerAuthentication').flatMap((object) => {
    const spec = reading(context.say, object, peerAuthenticationSchema);
    return spec ? [{ object, spec: { selector: spec.selector, mtls: spec.mtls } }] : [];
  });
  const allowing = ofKind(context, 'security.istio.io', 'AuthorizationPolicy').flatMap((object) => {
    const spec = readAuthorization(context, object);
    return spec ? [{ object, spec }] : [];
  });
  const trustDomain = trustDomainOf(allowing.flatMap(({ spec }) => spec.rules ?? []));
  for (const { object, spec } of [...modes, ...allowing]) nameServices(context, object, spec.selector);
  for (const draft of context.drafts.all()) secure(context, draft, { modes, allowing, trustDomain: trustDomain ?? 'cluster.local' });
  return trustDomain;
}

function readAuthorization(context: ImportContext, object: SourceObject) {
  const spec = reading(context.say, object, authorizationPolicySchema);
  if (!spec) return undefined;
  const action = spec.action ?? 'ALLOW';
  if (action !== 'ALLOW') {
    const message = `a spec says who may call, not who may not: ${action} is not said by it, and what it ${action === 'DENY' ? 'denies is allowed wherever `allow` names it' : 'does is lost'}; keep this policy beside the spec`;
    context.say(object, 'not-imported', { ...SECURITY, field: 'spec.action', message });
    return undefined;
  }
  if (spec.targetRefs || spec.targetRef) {
    context.say(object, 'not-imported', {
      ...SECURITY,
      field: 'spec.targetRefs',
      message: 'it holds for a gateway or waypoint, and a spec speaks for services',
    });
    return undefined;
  }
  return spec;
}

/** A policy may be all that is said of a service: those it selects are in the spec too. */
function nameServices(context: ImportContext, object: SourceObject, selector: Selector): void {
  const labels = selector?.matchLabels ?? {};
  const isSelected = Object.keys(labels).length > 0;
  const services = context.inventory.services.filter(
    (service) =>
      (service.namespace === object.namespace || (!isSelected && ROOT_NAMESPACES.includes(object.namespace))) &&
      !context.versionServices.has(`${service.namespace}/${service.name}`) &&
      Object.keys(service.selector).length > 0 &&
      matches(labels, service.selector),
  );
  for (const { namespace, name } of services) context.drafts.of({ namespace, name });
  if (services.length > 0 || !isSelected || context.drafts.all().some((draft) => holdsFor(context, object, selector, draft))) return;
  context.say(object, 'not-imported', {
    ...SECURITY,
    field: 'spec.selector',
    message: `no service is known here whose workloads have ${JSON.stringify(labels)}; give its Service too`,
  });
}

const selectorOf = ({ inventory }: ImportContext, draft: ServiceDraft): Readonly<Record<string, string>> =>
  inventory.service(draft)?.selector ?? draft.fields.selector ?? { app: draft.name };

function holdsFor(context: ImportContext, object: SourceObject, selector: Selector, draft: ServiceDraft): boolean {
  const labels = selector?.matchLabels ?? {};
  if (Object.keys(labels).length === 0) return object.namespace === draft.namespace || ROOT_NAMESPACES.includes(object.namespace);
  return object.namespace === draft.namespace && matches(labels, selectorOf(context, draft));
}

function secure(context: ImportContext, draft: ServiceDraft, { modes, allowing, trustDomain }: Policies): void {
  const { say } = context;
  const mine = allowing.filter(({ object, spec }) => holdsFor(context, object, spec.selector, draft));
  const mode = closest(modes.filter(({ object, spec }) => holdsFor(context, object, spec.selector, draft)));
  const about = { service: draft.name, into: 'mtls', field: 'spec.mtls.mode' };
  if (mode?.mode === 'DISABLE') {
    say(mode.object, 'not-imported', {
      ...about,
      ...SECURITY,
      message: 'a service without mTLS cannot know its callers, and a spec has no such stage; its callers are not imported',
    });
    for (const { object } of mine)
      say(object, 'not-imported', { service: draft.name, ...SECURITY, message: 'without mTLS nobody is known by identity' });
    return;
  }
  const enforced = mine.filter(({ object }) => object.annotations['istio.io/dry-run'] !== 'true');
  const tried = mine.filter((each) => !enforced.includes(each));
  if (enforced.length > 0) {
    draft.mtls = 'strict';
    draft.allow = enforced.flatMap(({ object, spec }) => allowRulesOf(context, object, draft, spec.rules, trustDomain));
    for (const { object } of tried)
      say(object, 'not-imported', {
        service: draft.name,
        ...SECURITY,
        message: 'a dry run beside a policy that is enforced is not said by a spec',
      });
    if (mode) say(mode.object, 'imported', about);
    if (mode?.mode !== 'STRICT')
      for (const { object } of enforced)
        say(object, 'approximated', {
          service: draft.name,
          into: 'mtls',
          message: 'plaintext calls, which this policy answers 403 since they have no identity, are refused before they are read',
        });
    return;
  }
  if (mode?.mode === 'STRICT') {
    const message =
      'who has an identity of the mesh may call, whoever it is: a spec in `strict` names them. Give the service `mtls: strict` and `allow`; until then the spec says nothing, and this policy has to stay';
    say(mode.object, 'not-imported', { ...about, ...SECURITY, message });
    for (const { object } of tried)
      say(object, 'not-imported', {
        service: draft.name,
        ...SECURITY,
        message: 'a dry run under STRICT is no stage of a spec, whose `shadow` takes plaintext too',
      });
    return;
  }
  if (tried.length > 0) {
    draft.mtls = 'shadow';
    draft.allow = tried.flatMap(({ object, spec }) => allowRulesOf(context, object, draft, spec.rules, trustDomain));
  } else if (mode) draft.mtls = 'permissive';
  if (mode) say(mode.object, 'imported', about);
}

/** Of its workloads before its namespace before the mesh; UNSET is what the next one says. */
function closest(policies: Policies['modes']): { readonly object: SourceObject; readonly mode: Mode } | undefined {
  const rank = ({ object, spec }: Policies['modes'][number]): number =>
    Object.keys(spec.selector?.matchLabels ?? {}).length > 0 ? 0 : ROOT_NAMESPACES.includes(object.namespace) ? 2 : 1;
  const set = policies.filter(({ spec }) => spec.mtls !== undefined && spec.mtls.mode !== 'UNSET');
  const [first] = set.toSorted((a, b) => rank(a) - rank(b));
  return first ? { object: first.object, mode: first.spec.mtls?.mode ?? 'UNSET' } : undefined;
}
