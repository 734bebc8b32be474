/**
 * Who may call, by SMI (access.smi-spec.io, specs.smi-spec.io) as Open Service Mesh enforces it, and what leaves the mesh and enters it
 * (policy.openservicemesh.io). With `enablePermissiveTrafficPolicyMode` OSM looks at no TrafficTarget at all.
 */
import { z } from 'zod';
import type { PathMatch } from '../plan/plan.ts';
import type { AllowRule } from '../spec/policy-schema.ts';
import { type ImportContext, ofKind, type ServiceDraft } from './draft.ts';
import { reading } from './findings.ts';
import { matches } from './inventory.ts';
import type { SourceObject } from './objects.ts';
import { pathOfExpression } from './path-expression.ts';

const identity = z.object({ kind: z.string(), name: z.string(), namespace: z.string() });
const targetSchema = z.object({
  destination: identity,
  sources: z.array(identity),
  rules: z.array(z.object({ kind: z.string(), name: z.string(), matches: z.array(z.string()).optional() })).optional(),
});
/** Headers are a condition, which is looked for. */
const groupSchema = z.object({
  matches: z.array(
    z.object({
      name: z.string(),
      pathRegex: z.string().optional(),
      methods: z.array(z.string()).optional(),
      headers: z.unknown().optional(),
    }),
  ),
});
const meshConfigSchema = z.looseObject({
  traffic: z.looseObject({ enablePermissiveTrafficPolicyMode: z.boolean().optional() }).optional(),
});
const egressSchema = z.object({
  sources: z.array(identity),
  hosts: z.array(z.string()).optional(),
  ports: z.array(z.object({ number: z.int(), protocol: z.string() })).optional(),
});

type Group = z.infer<typeof groupSchema>;
const ACCESS = { into: 'allow', security: true } as const;

export function importTrafficTargets(context: ImportContext): void {
  const groups = new Map<string, Group>();
  for (const object of ofKind(context, 'specs.smi-spec.io', 'HTTPRouteGroup')) {
    const spec = reading(context.say, object, groupSchema);
    if (spec) groups.set(`${object.namespace}/${object.name}`, spec);
  }
  const targets = ofKind(context, 'access.smi-spec.io', 'TrafficTarget');
  const enforced = isEnforced(context, targets);
  for (const object of targets) {
    const spec = reading(context.say, object, targetSchema);
    if (spec) permit(context, object, spec, groups);
  }
  for (const object of ofKind(context, 'specs.smi-spec.io', 'HTTPRouteGroup')) {
    const users = targets.filter(
      ({ namespace, spec }) => namespace === object.namespace && JSON.stringify(spec).includes(JSON.stringify(object.name)),
    );
    context.say(
      object,
      'imported',
      users.length > 0 ? { message: `part of ${users.map(({ name }) => name).join(', ')}` } : { message: 'no TrafficTarget here names it' },
    );
  }
  if (enforced === undefined) return;
  for (const draft of ofOsm(context)) {
    draft.mtls = enforced ? 'strict' : 'permissive';
    // Whom no TrafficTarget names is refused.
    if (enforced) draft.allow ??= [];
  }
}

/** `undefined`: nothing is said of security. */
function isEnforced(context: ImportContext, targets: readonly SourceObject[]): boolean | undefined {
  const [config] = ofKind(context, 'config.openservicemesh.io', 'MeshConfig');
  const spec = config && meshConfigSchema.safeParse(config.spec).data;
  const [first] = targets;
  if (config && spec) {
    const permissive = spec.traffic?.enablePermissiveTrafficPolicyMode ?? false;
    const message = permissive
      ? 'OSM enforces no TrafficTarget (`enablePermissiveTrafficPolicyMode`): `allow` is written and not enforced, `mtls: permissive`; a spec takes plaintext then too, OSM does not'
      : 'OSM enforces TrafficTargets: `mtls: strict`, and who no TrafficTarget names is refused. Nothing else of it is imported: it speaks for the whole mesh';
    context.say(config, permissive ? 'approximated' : 'imported', {
      ...ACCESS,
      into: 'mtls',
      field: 'spec.traffic.enablePermissiveTrafficPolicyMode',
      message,
    });
    return !permissive;
  }
  if (!first) return undefined;
  const message =
    'is `enablePermissiveTrafficPolicyMode` on in the MeshConfig? Then OSM enforces no TrafficTarget, and callers that none of them names may call today. Without an answer `mtls: strict` is written; give the MeshConfig too';
  context.say(first, 'question', { ...ACCESS, into: 'mtls', message });
  return true;
}

/** All that OSM has a policy of, and nothing that is another mesh's. */
function ofOsm({ drafts }: ImportContext): readonly ServiceDraft[] {
  return drafts
    .all()
    .filter(
      ({ routesFrom, allow }) => allow !== undefined || routesFrom === undefined || /smi-spec|openservicemesh/.test(routesFrom.group),
    );
}

function permit(
  context: ImportContext,
  object: SourceObject,
  spec: z.infer<typeof targetSchema>,
  groups: ReadonlyMap<string, Group>,
): void {
  const { name, namespace } = spec.destination;
  const callers = spec.sources.flatMap((source) =>
    source.kind === 'ServiceAccount' ? [{ namespace: source.namespace, serviceAccount: source.name }] : [],
  );
  for (const draft of runningAs(context, { name, namespace })) {
    if (callers.length === 0) {
      context.say(object, 'not-imported', {
        service: draft.name,
        ...ACCESS,
        field: 'spec.sources',
        message: 'it names no service account',
      });
      continue;
    }
    const rules = (spec.rules ?? []).flatMap((rule, index): readonly AllowRule[] => {
      const field = `spec.rules[${index}]`;
      const group = rule.kind === 'HTTPRouteGroup' ? groups.get(`${object.namespace}/${rule.name}`) : undefined;
      if (!group) {
        const why =
          rule.kind === 'HTTPRouteGroup'
            ? `the HTTPRouteGroup ${rule.name} is not here; give it too`
            : `a spec allows HTTP requests, and no ${rule.kind}`;
        context.say(object, 'not-imported', {
          service: draft.name,
          ...ACCESS,
          field,
          message: `${why}; until then these calls are refused`,
        });
        return [];
      }
      const matches = group.matches.filter(
        (match) => rule.matches === undefined || rule.matches.length === 0 || rule.matches.includes(match.name),
      );
      return matches.flatMap((match) =>
        ruleOf(context, object, draft, match, `${field} (${match.name})`).map((limits) => ({ callers, ...limits })),
      );
    });
    draft.allow = [...(draft.allow ?? []), ...joined(rules)];
  }
}

/** The services whose workloads run as an account; a service of its name when no workload says it. */
function runningAs(context: ImportContext, account: { readonly name: string; readonly namespace: string }): readonly ServiceDraft[] {
  const workloads = context.inventory.workloads.filter(
    ({ namespace, serviceAccount }) => namespace === account.namespace && serviceAccount === account.name,
  );
  const services = context.inventory.services.filter(
    ({ namespace, name, selector }) =>
      namespace === account.namespace &&
      !context.versionServices.has(`${namespace}/${name}`) &&
      Object.keys(selector).length > 0 &&
      workloads.some(({ labels }) => matches(selector, labels)),
  );
  if (services.length === 0) return [context.drafts.of(account)];
  return services.map((service) => {
    const draft = context.drafts.of({ namespace: service.namespace, name: service.name });
    draft.fields.serviceAccount ??= account.name;
    return draft;
  });
}

type Limits = Omit<AllowRule, 'callers'>;

/** OSM's Envoys match an expression with the whole path (`safe_regex`); SMI itself has it begin at the front only. */
function ruleOf(
  context: ImportContext,
  object: SourceObject,
  draft: ServiceDraft,
  match: Group['matches'][number],
  field: string,
): readonly Limits[] {
  const { pathRegex, headers } = match;
  if (headers !== undefined && Object.keys(headers ?? {}).length > 0) {
    context.say(object, 'not-imported', {
      service: draft.name,
      ...ACCESS,
      field,
      message: 'a spec allows by method and path, and not by header: these requests are refused',
    });
    return [];
  }
  const named = match.methods ?? [];
  const methods = named.length === 0 || named.includes('*') ? undefined : named;
  const path: PathMatch | undefined = pathRegex === undefined ? undefined : pathOfExpression(pathRegex);
  const expression = path && 'regex' in path && !/^\^/.test(pathRegex ?? '');
  const message =
    'OSM matches the expression with the whole path, and so does a spec; where SMI is implemented otherwise it begins at the front only: write `.*` behind it then';
  context.say(object, expression ? 'approximated' : 'imported', {
    service: draft.name,
    into: 'allow',
    field,
    ...(expression ? { message } : {}),
  });
  return [{ ...(methods ? { methods: [...methods].sort() } : {}), ...(path ? { paths: [path] } : {}) }];
}

/** Rules that differ in their paths alone, or in their methods alone, are one. */
function joined(rules: readonly AllowRule[]): readonly AllowRule[] {
  const byMethods = Map.groupBy(rules, ({ callers, methods }) => JSON.stringify([callers, methods ?? null]));
  return [...byMethods.values()].flatMap((alike): readonly AllowRule[] => {
    const [first, ...more] = alike.filter(({ paths }) => paths !== undefined);
    const anywhere = alike.filter(({ paths }) => paths === undefined).slice(0, 1);
    if (!first) return anywhere;
    const paths = new Map([first, ...more].flatMap(({ paths: each = [] }) => each).map((path) => [JSON.stringify(path), path]));
    return [...anywhere, { ...first, paths: [...paths.values()] }];
  });
}

export function importOsmBoundary(context: ImportContext): void {
  for (const object of ofKind(context, 'policy.openservicemesh.io', 'Egress')) {
    const spec = reading(context.say, object, egressSchema);
    if (!spec) continue;
    for (const source of spec.sources)
      for (const draft of runningAs(context, source))
        for (const host of spec.hosts ?? [])
          for (const { number, protocol } of spec.ports ?? []) {
            const about = { service: draft.name, into: `egress.${host}`, field: 'spec.hosts' };
            const known = protocol === 'https' ? 'tls' : protocol === 'http' ? 'http' : undefined;
            if (!known || host.includes('*'))
              context.say(object, 'not-imported', {
                ...about,
                message: `\`${host}\` by ${protocol}: a spec names hosts called by HTTP or TLS, one by one`,
              });
            else {
              draft.egress.push({ host, port: number, protocol: known });
              context.say(object, 'imported', about);
            }
          }
  }
  for (const object of ofKind(context, 'policy.openservicemesh.io', 'IngressBackend'))
    context.say(object, 'not-imported', {
      security: true,
      message:
        'it says which gateway may reach these backends, and under no host: give the service `ingress` with the host and the gateway, and the identity of the gateway in `allow`',
    });
}
