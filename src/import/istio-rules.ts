/** The rules of an AuthorizationPolicy with action ALLOW (security.istio.io) as entries of `allow`: callers by identity, methods, paths. */

import type { PathMatch } from '../plan/plan.ts';
import type { AllowRule, Caller } from '../spec/policy-schema.ts';
import type { ImportContext, ServiceDraft } from './draft.ts';
import type { AuthorizationRule } from './istio-schema.ts';
import type { SourceObject } from './objects.ts';

const PRINCIPAL = /^([a-z0-9][a-z0-9.-]*)\/ns\/([a-z0-9-]+)\/sa\/([a-z0-9-]+)$/;

/** The one that most principals name; `undefined`: none does. */
export function trustDomainOf(rules: readonly AuthorizationRule[]): string | undefined {
  const named = rules.flatMap(({ from = [] }) =>
    from.flatMap(({ source }) => (source.principals ?? []).flatMap((text) => PRINCIPAL.exec(text)?.[1] ?? [])),
  );
  const counts = [...Map.groupBy(named, (domain) => domain)].toSorted(([a, as], [b, bs]) => bs.length - as.length || (a < b ? -1 : 1));
  return counts[0]?.[0];
}

interface Place {
  readonly context: ImportContext;
  readonly object: SourceObject;
  readonly draft: ServiceDraft;
  readonly trustDomain: string;
}

/** Nobody when there are no rules, as in Istio. */
export function allowRulesOf(
  context: ImportContext,
  object: SourceObject,
  draft: ServiceDraft,
  rules: readonly AuthorizationRule[] | undefined,
  trustDomain: string,
): readonly AllowRule[] {
  if (!rules || rules.length === 0) {
    context.say(object, 'imported', { service: draft.name, into: 'allow', field: 'spec' });
    return [];
  }
  return rules.flatMap((rule, index) => ruleOf({ context, object, draft, trustDomain }, rule, `spec.rules[${index}]`));
}

function ruleOf(place: Place, rule: AuthorizationRule, at: string): readonly AllowRule[] {
  const { context, object, draft } = place;
  const lost = (field: string, message: string): readonly AllowRule[] => {
    context.say(object, 'not-imported', { service: draft.name, into: 'allow', field, message, security: true });
    return [];
  };
  const unknown = Object.keys(rule).find((key) => key !== 'from' && key !== 'to');
  if (unknown)
    return lost(
      `${at}.${unknown}`,
      'a spec allows callers, methods and paths and has no such condition: the rule is left out, and whom it allows is refused',
    );
  if (!rule.from || rule.from.length === 0)
    return lost(at, 'it allows everybody, with an identity or without; a spec names callers: name them, or they are refused');
  const callers = rule.from.flatMap(({ source }, index) => callersOf(place, source, `${at}.from[${index}].source`));
  if (callers.length === 0) return [];
  const said = (): void => context.say(object, 'imported', { service: draft.name, into: 'allow', field: at });
  if (!rule.to || rule.to.length === 0) {
    said();
    return [{ callers }];
  }
  return rule.to.flatMap(({ operation }, index): readonly AllowRule[] => {
    const limits = operationOf(place, operation, `${at}.to[${index}].operation`);
    if (!limits) return [];
    said();
    return [{ callers, ...limits }];
  });
}

function callersOf(
  { context, object, draft, trustDomain }: Place,
  source: Readonly<Record<string, unknown>> & {
    readonly principals?: readonly string[] | undefined;
    readonly serviceAccounts?: readonly string[] | undefined;
  },
  at: string,
): readonly Caller[] {
  const lost = (field: string, message: string): void =>
    context.say(object, 'not-imported', {
      service: draft.name,
      into: 'allow',
      field,
      message: `${message}; whom it allows is refused`,
      security: true,
    });
  const unknown = Object.keys(source).find((key) => key !== 'principals' && key !== 'serviceAccounts');
  if (unknown) {
    lost(`${at}.${unknown}`, 'a spec knows callers by service account: name those that are meant');
    return [];
  }
  const byPrincipal = (source.principals ?? []).flatMap((principal): readonly Caller[] => {
    const [, domain, namespace, serviceAccount] = PRINCIPAL.exec(principal) ?? [];
    if (namespace !== undefined && serviceAccount !== undefined && (domain === trustDomain || domain === 'cluster.local'))
      return [{ namespace, serviceAccount }];
    lost(
      `${at}.principals`,
      namespace === undefined
        ? `\`${principal}\` is a pattern: name the service accounts that are meant`
        : `\`${principal}\` is of another trust domain than the mesh's, ${trustDomain}`,
    );
    return [];
  });
  const byAccount = (source.serviceAccounts ?? []).flatMap((account): readonly Caller[] => {
    const [first = '', second] = account.split('/');
    return [second === undefined ? { namespace: object.namespace, serviceAccount: first } : { namespace: first, serviceAccount: second }];
  });
  return [...byPrincipal, ...byAccount];
}

type Operation = Readonly<Record<string, unknown>> & {
  readonly methods?: readonly string[] | undefined;
  readonly paths?: readonly string[] | undefined;
  readonly ports?: readonly string[] | undefined;
};

/** `undefined`, and said, when nothing of it can be allowed. */
function operationOf({ context, object, draft }: Place, operation: Operation, at: string): Omit<AllowRule, 'callers'> | undefined {
  const lost = (field: string, message: string): undefined => {
    context.say(object, 'not-imported', {
      service: draft.name,
      into: 'allow',
      field,
      message: `${message}; what it allows is refused`,
      security: true,
    });
    return undefined;
  };
  const unknown = Object.keys(operation).find((key) => !['methods', 'paths', 'ports'].includes(key));
  if (unknown) return lost(`${at}.${unknown}`, 'a spec allows by method and path and has no such condition');
  const port = context.inventory.service(draft)?.ports.map(({ port: number }) => String(number)) ?? [];
  const portsAreAll = operation.ports === undefined || (port.length > 0 && port.every((number) => operation.ports?.includes(number)));
  if (!portsAreAll) return lost(`${at}.ports`, 'a spec speaks for the one port of a service');
  const methods = operation.methods?.includes('*') ? undefined : operation.methods;
  if (methods?.some((method) => /[*{}]/.test(method))) return lost(`${at}.methods`, 'a spec names methods one by one');
  if (operation.paths === undefined || operation.paths.includes('*')) return { ...(methods ? { methods: [...methods] } : {}) };
  const paths = operation.paths.flatMap((text): readonly PathMatch[] => {
    const found = pathOf(text);
    if (!found) lost(`${at}.paths`, `\`${text}\`: a spec names paths that are exact or begin with a text`);
    return found ? [found] : [];
  });
  return paths.length === 0 ? undefined : { ...(methods ? { methods: [...methods] } : {}), paths };
}

function pathOf(text: string): PathMatch | undefined {
  if (!text.startsWith('/')) return undefined;
  const prefix = text.endsWith('*') ? text.slice(0, -1) : undefined;
  if (/[*{}]/.test(prefix ?? text)) return undefined;
  return prefix === undefined ? { exact: text } : { prefix };
}
