/**
 * A draft as the fields of a `Service` file: routes become those of a spec, where the split of the moment is no part of, and what the
 * default route has is the service's. What the objects left open is asked, with the value that is written until there is an answer.
 */
import { isDeepStrictEqual } from 'node:util';
import type { WeightedVersion } from '../plan/plan.ts';
import { MAX_DURATION_MS } from '../spec/policy-schema.ts';
import type { RetriesSpec, RouteSpec } from '../spec/schema.ts';
import type { DraftRoute, ImportContext, ServiceDraft } from './draft.ts';
import type { Outcome } from './findings.ts';
import { matches } from './inventory.ts';
import type { SourceObject } from './objects.ts';

const DEFAULT = 'default';
const NO_RETRIES: RetriesSpec = { attempts: 0, on: ['connect-failure', 'refused-stream'] };

export interface Settled {
  readonly draft: ServiceDraft;
  readonly routes: readonly RouteSpec[];
  readonly timeoutMs?: number;
  readonly retries?: RetriesSpec;
  readonly stable?: string;
  /** How requests are divided now; empty when nobody divides them. */
  readonly traffic: readonly WeightedVersion[];
}

export function settle(context: ImportContext, draft: ServiceDraft): Settled {
  const written = draft.fields.routes ?? [];
  const end = written.findIndex(({ match }) => Object.keys(match).length === 0);
  const last = end === -1 ? undefined : written[end];
  const named = end === -1 ? written : written.slice(0, end);
  const say = (outcome: Outcome, into: string, message: string): void => {
    if (draft.routesFrom) context.say(draft.routesFrom, outcome, { service: draft.name, into, field: 'spec', message });
  };
  if (end !== -1 && end < written.length - 1)
    say(
      'not-imported',
      'routes',
      `no request reaches ${written
        .slice(end + 1)
        .map(({ name }) => `\`${name}\``)
        .join(', ')}: the route before matches everything`,
    );
  if (end === -1 && written.length > 0)
    say('approximated', 'routes', 'requests that no route matches are answered 404 now; by the spec they go to the stable version');
  if (last?.mirror) say('not-imported', 'routes.default.mirror', 'a spec mirrors by a route with a condition; give one, such as a path');
  if (last?.fault) say('not-imported', 'routes.default.fault', 'a spec has faults in a route with a condition; give one, such as a path');
  const traffic = last?.split ?? named.find(({ split }) => split && split.length > 1)?.split ?? [];
  const stable = heaviest(traffic);
  if (traffic.filter(({ weight }) => weight > 0).length > 1) {
    const shares = traffic.map(({ version, weight }) => `${version} ${weight} %`).join(', ');
    const next = traffic.find(({ version, weight }) => version !== stable && weight > 0)?.version;
    say(
      'approximated',
      'stable',
      `requests are divided now (${shares}); a spec begins with ${stable} alone, and \`meshwright deploy ${draft.name} ${next}\` goes on`,
    );
  }
  if (last && !last.split)
    say('approximated', 'stable', 'requests go to all versions alike now; a spec sends them to one: name it as `stable`');
  return {
    draft,
    routes: named.map((route, index) => routeOf(route, index, { last, traffic, names: uniqueNames(named), say })),
    ...(last?.timeoutMs === undefined ? {} : { timeoutMs: last.timeoutMs }),
    ...(last?.retries === undefined ? {} : { retries: last.retries }),
    ...(stable === undefined ? {} : { stable }),
    traffic,
  };
}

interface Around {
  readonly last: DraftRoute | undefined;
  readonly traffic: readonly WeightedVersion[];
  readonly names: readonly string[];
  readonly say: (outcome: Outcome, into: string, message: string) => void;
}

function routeOf(route: DraftRoute, index: number, { last, traffic, names, say }: Around): RouteSpec {
  const name = names[index] ?? route.name;
  const version = pinned(route, name, traffic, say);
  // A route takes what it leaves out from the service.
  const timeoutMs = route.timeoutMs ?? (last?.timeoutMs === undefined ? undefined : MAX_DURATION_MS);
  if (route.timeoutMs === undefined && timeoutMs !== undefined)
    say(
      'approximated',
      `routes.${name}.timeout`,
      'it has no time-out, and everything else has: a spec gives it the longest there is, 30 days',
    );
  const { path, methods, headers } = route.match;
  const retries = route.retries ?? (last?.retries === undefined ? undefined : NO_RETRIES);
  return {
    name,
    match: {
      ...(path ? { path } : {}),
      ...(methods ? { methods: [...methods] } : {}),
      ...(headers ? { headers: [...headers] } : {}),
    },
    ...(version === undefined ? {} : { version }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(retries === undefined ? {} : { retries }),
    ...(route.mirror === undefined ? {} : { mirror: route.mirror }),
    ...(route.fault === undefined ? {} : { fault: route.fault }),
  };
}

/** A route that is divided as everything else goes with the rollouts. */
function pinned({ split }: DraftRoute, name: string, traffic: readonly WeightedVersion[], say: Around['say']): string | undefined {
  if (split === undefined) {
    if (traffic.length > 0)
      say('approximated', `routes.${name}`, 'its requests go to all versions alike now; by the spec they are divided as all others');
    return undefined;
  }
  const version = heaviest(split);
  if (isDeepStrictEqual(used(split), used(traffic))) return undefined;
  if (used(split).length > 1)
    say(
      'approximated',
      `routes.${name}.version`,
      `it is divided otherwise than the requests of all others (${split.map((each) => `${each.version} ${each.weight} %`).join(', ')}), which a spec does not say: all of it goes to ${version}`,
    );
  return version;
}

const used = (split: readonly WeightedVersion[]): readonly WeightedVersion[] => split.filter(({ weight }) => weight > 0);

function heaviest(split: readonly WeightedVersion[]): string | undefined {
  const [first] = split.toSorted((a, b) => b.weight - a.weight || (a.version < b.version ? -1 : 1));
  return first?.version;
}

/** Names as a spec takes them, each once. */
function uniqueNames(routes: readonly DraftRoute[]): readonly string[] {
  const taken = new Set([DEFAULT]);
  return routes.map(({ name }, index) => {
    const plain =
      name
        .toLowerCase()
        .replace(/[^a-z0-9-]+/g, '-')
        .replace(/^-+|-+$/g, '')
        .slice(0, 50)
        .replace(/-+$/, '') || `route-${index + 1}`;
    const free =
      [plain, ...Array.from({ length: routes.length + 1 }, (_, count) => `${plain}-${count + 2}`)].find((each) => !taken.has(each)) ??
      plain;
    taken.add(free);
    return free;
  });
}

/** What its Service and its workloads say of it, and what nobody does. */
export function describe(context: ImportContext, draft: ServiceDraft, sources: readonly SourceObject[]): void {
  const service = context.inventory.service(draft);
  const { fields } = draft;
  const [about] = sources;
  const ask = (into: string, message: string): void => {
    if (about) context.say(about, 'question', { service: draft.name, into, message });
  };
  if (service) {
    const { object, ports, selector } = service;
    const port =
      ports.find(({ port: number }) => number === fields.port) ?? ports.find(({ name }) => /^(http|grpc)/.test(name)) ?? ports[0];
    if (port) {
      fields.port ??= port.port;
      fields.protocol ??= port.protocol;
      context.say(object, 'imported', { service: draft.name, into: 'port', field: 'spec.ports' });
      if (ports.length > 1)
        ask(
          'port',
          `its Service has ports ${ports.map(({ port: number }) => number).join(', ')}, and a spec speaks for one: ${port.port} is taken`,
        );
    }
    const own = Object.fromEntries(Object.entries(selector).filter(([key]) => key !== (fields.versionLabel ?? 'version')));
    if (Object.keys(own).length > 0) {
      fields.selector = own;
      context.say(object, 'imported', { service: draft.name, into: 'selector', field: 'spec.selector' });
    }
  } else
    ask(
      'selector',
      `its Service is not here: that its workloads have the labels ${JSON.stringify(fields.selector ?? { app: draft.name })} is assumed`,
    );
  if (fields.port === undefined) {
    fields.port = 80;
    ask('port', 'nothing here says which port its callers use: 80 is written');
  }
  const workloads = context.inventory.workloads.filter(
    ({ namespace, labels }) => namespace === draft.namespace && matches(fields.selector ?? { app: draft.name }, labels),
  );
  const accounts = [...new Set(workloads.map(({ serviceAccount }) => serviceAccount))].sort();
  const [account] = accounts;
  if (account !== undefined) fields.serviceAccount ??= account;
  for (const { object, serviceAccount } of workloads)
    if (serviceAccount === fields.serviceAccount)
      context.say(object, 'imported', { service: draft.name, into: 'serviceAccount', field: 'spec.template.spec.serviceAccountName' });
  if (accounts.length > 1)
    ask(
      'serviceAccount',
      `its workloads run as ${accounts.join(', ')}: a spec has one identity a service, and ${fields.serviceAccount} is taken`,
    );
  else if (account === undefined && fields.serviceAccount === undefined && draft.mtls !== undefined)
    ask('serviceAccount', `its workloads are not here: that they run as \`${draft.name}\` is assumed`);
}
