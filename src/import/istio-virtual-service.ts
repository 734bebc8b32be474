/**
 * VirtualServices (networking.istio.io): the routes of a service inside the mesh, and its names at gateways. Istio does not merge several
 * of one host for sidecars, so that the first one counts here too, and the others are said.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Mirror } from '../spec/policy-schema.ts';
import { type Backend, type BackendVersions, splitOf, splitOfVersions, versionsOfBackends } from './backends.ts';
import { became, claim, type DraftRoute, type ImportContext, ofKind, type ServiceDraft } from './draft.ts';
import { reading } from './findings.ts';
import { faultOf, type RoutePlace, retriesOf, timeoutOf } from './istio-actions.ts';
import { type SubsetVersions, subsetKey } from './istio-destination-rule.ts';
import { joinMethods, readMatch } from './istio-match.ts';
import { type HttpRoute, virtualServiceSchema } from './istio-schema.ts';
import type { SourceObject } from './objects.ts';
import { isWholePercent, wholePercent } from './quantities.ts';

interface Given {
  readonly context: ImportContext;
  readonly object: SourceObject;
  readonly draft: ServiceDraft;
  readonly subsets: SubsetVersions;
  readonly backends: BackendVersions;
}

/** Those inside the mesh first: names at gateways go by their routes. */
export function importVirtualServices(context: ImportContext, subsets: SubsetVersions): void {
  const written = ofKind(context, 'networking.istio.io', 'VirtualService').flatMap((object) => {
    if (object.owner !== undefined && object.owner !== 'VirtualService') {
      context.say(object, 'not-imported', { message: `a ${object.owner} makes it; what the ${object.owner} asks for is imported` });
      return [];
    }
    const spec = reading(context.say, object, virtualServiceSchema);
    return spec ? [{ object, spec, inMesh: spec.gateways === undefined || spec.gateways.includes('mesh') }] : [];
  });
  // Of several for one host Istio takes the oldest.
  const byAge = written.toSorted((a, b) => (a.object.created < b.object.created ? -1 : a.object.created > b.object.created ? 1 : 0));
  for (const { object, spec } of byAge.filter(({ inMesh }) => inMesh))
    for (const host of spec.hosts) insideMesh(context, object, host, spec.http ?? [], subsets);
  for (const { object, spec } of written) {
    const gateways = (spec.gateways ?? []).filter((gateway) => gateway !== 'mesh');
    if (gateways.length > 0) atGateways(context, object, { hosts: spec.hosts, gateways, http: spec.http ?? [] }, subsets);
  }
}

function insideMesh(context: ImportContext, object: SourceObject, host: string, http: readonly HttpRoute[], subsets: SubsetVersions): void {
  const name = context.inventory.serviceOfHost(host, object.namespace);
  if (!name) {
    context.say(object, 'not-imported', {
      field: 'spec.hosts',
      message: `\`${host}\` is no service of the cluster; a spec routes calls to services`,
    });
    return;
  }
  const draft = context.drafts.of(name);
  if (draft.routesFrom) {
    const message = `${draft.routesFrom.namespace}/${draft.routesFrom.name} routes this host already${object.created === '' ? ' (which is older, nobody says: the first by name is taken)' : ', and is older'}; Istio merges no two of them inside a mesh: put its routes into that one`;
    context.say(object, 'not-imported', { service: draft.name, field: 'spec.http', message });
    return;
  }
  draft.routesFrom = object;
  claim(context, draft, ['routes', 'routes'], routesOf(context, object, draft, http, subsets), { object, field: 'spec.http' });
}

function atGateways(
  context: ImportContext,
  object: SourceObject,
  {
    hosts,
    gateways,
    http,
  }: { readonly hosts: readonly string[]; readonly gateways: readonly string[]; readonly http: readonly HttpRoute[] },
  subsets: SubsetVersions,
): void {
  const { say, inventory } = context;
  const called = http.flatMap(({ route = [] }) =>
    route.map(({ destination }) => inventory.serviceOfHost(destination.host, object.namespace)),
  );
  const [first] = called;
  if (!first || called.some((each) => !isDeepStrictEqual(each, first))) {
    say(object, 'not-imported', {
      field: 'spec.http',
      message: 'at a gateway a spec sends the requests of a host to one service; keep this beside it, or give each service a host',
    });
    return;
  }
  const draft = context.drafts.of(first);
  const portNumber = http
    .flatMap(({ route = [] }) => route.map(({ destination }) => destination.port?.number))
    .find((port) => port !== undefined);
  if (portNumber !== undefined)
    claim(context, draft, ['port', 'port'], portNumber, { object, field: 'spec.http[0].route[0].destination.port' });
  // Its lines are those of the routes it is compared with.
  const routes = routesOf({ ...context, say: draft.routesFrom ? () => {} : say }, object, draft, http, subsets);
  let difference: string | undefined;
  if (!draft.routesFrom) {
    draft.routesFrom = object;
    claim(context, draft, ['routes', 'routes'], routes, {
      object,
      field: 'spec.http',
      difference: 'the routes of the gateway hold inside the mesh too',
    });
  } else if (!isDeepStrictEqual(withoutNames(routes), withoutNames(draft.fields.routes ?? [])))
    difference = `the gateway goes by the routes that ${draft.routesFrom.namespace}/${draft.routesFrom.name} has inside the mesh, which differ from these`;
  for (const host of hosts)
    for (const gateway of gateways) {
      const [namespace, name] = gateway.includes('/') ? gateway.split('/') : [object.namespace, gateway];
      const about = { service: draft.name, into: `ingress.${host}`, field: 'spec.gateways' };
      if (host.includes('*')) {
        say(object, 'not-imported', { ...about, message: `\`${host}\`: a spec names the hosts of a service one by one` });
        continue;
      }
      draft.ingress.push({ host, gateway: { namespace: namespace ?? '', name: name ?? '' } });
      say(object, ...became(about, difference));
    }
}

const withoutNames = (routes: readonly DraftRoute[]): readonly unknown[] => routes.map(({ name: _, ...route }) => route);

/** In their order. A route that a spec cannot say is left out and said: its requests go by those after it. */
function routesOf(
  context: ImportContext,
  object: SourceObject,
  draft: ServiceDraft,
  http: readonly HttpRoute[],
  subsets: SubsetVersions,
): readonly DraftRoute[] {
  const named = http.flatMap(({ route = [], mirrors = [], mirror }) => [
    ...route.map(({ destination }) => destination),
    ...mirrors.map(({ destination }) => destination),
    ...(mirror ? [mirror] : []),
  ]);
  const services = named.flatMap(({ host, subset }) =>
    subset === undefined ? (context.inventory.serviceOfHost(host, object.namespace) ?? []) : [],
  );
  const backends = versionsOfBackends(context, object, draft, services, 'spec.http');
  const given = { context, object, draft, subsets, backends };
  return http.flatMap((route, index) => routesOfOne(given, route, index));
}

function routesOfOne(given: Given, route: HttpRoute, index: number): readonly DraftRoute[] {
  const { context, object, draft } = given;
  const at = `spec.http[${index}]`;
  const fallen = 'its requests go by the routes after it';
  const name = route.name ?? `route-${index + 1}`;
  if (!route.route || route.route.length === 0) {
    context.say(object, 'not-imported', {
      service: draft.name,
      field: at,
      message: `it answers or redirects by itself, which a spec does not say; ${fallen}`,
    });
    return [];
  }
  const readings = (route.match ?? []).map((match, place) => ({ place, reading: readMatch(match) }));
  for (const { place, reading: refused } of readings)
    if (!refused.ok)
      context.say(object, 'not-imported', {
        service: draft.name,
        field: `${at}.match[${place}].${refused.field}`,
        message: `${refused.why}: without it this would match more, so that it is left out; ${fallen}`,
      });
  const alternatives = joinMethods(readings.flatMap(({ reading: read }) => (read.ok ? [read.match] : [])));
  if (readings.length > 0 && alternatives.length === 0) return [];
  const sent = destinationsOf(given, route.route, `${at}.route`);
  if (!sent) return [];
  const isDefault = readings.length === 0 || alternatives.some((match) => Object.keys(match).length === 0);
  const place: RoutePlace = { context, object, draft, at, into: isDefault ? '' : `routes.${name}` };
  const timeoutMs = timeoutOf(place, route.timeout);
  const retries = retriesOf(place, route.retries);
  const fault = faultOf(place, route.fault);
  const mirror = mirrorOf(given, route, at);
  const action = {
    ...sent,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(retries === undefined ? {} : { retries }),
    ...(fault === undefined ? {} : { fault }),
    ...(mirror === undefined ? {} : { mirror }),
  };
  const matches = readings.length === 0 ? [{}] : alternatives;
  return matches.map((match, alternative) => ({ name: alternative === 0 ? name : `${name}-${alternative + 1}`, match, ...action }));
}

function destinationsOf(given: Given, route: NonNullable<HttpRoute['route']>, field: string): Pick<DraftRoute, 'split'> | undefined {
  const { context, object, draft, subsets, backends } = given;
  const weights = route.map(({ destination, weight }) => ({
    name: context.inventory.serviceOfHost(destination.host, object.namespace),
    subset: destination.subset,
    weight: weight ?? (route.length === 1 ? 100 : 0),
  }));
  if (weights.every(({ subset }) => subset === undefined)) {
    const others: Backend[] = weights.flatMap(({ name, weight }) => (name ? [{ ...name, weight }] : []));
    return splitOf(context, object, draft, { backends: others, versions: backends, field });
  }
  const versions = weights.flatMap(({ name, subset, weight }) => {
    const version =
      name && subset !== undefined && name.name === draft.name && name.namespace === draft.namespace
        ? subsets.get(subsetKey(name, subset))
        : undefined;
    return version === undefined ? [] : [{ version, weight }];
  });
  if (versions.length === weights.length) return splitOfVersions(context, object, draft, versions, field);
  const unknown = weights.map(({ name, subset }) => `${name?.name ?? '?'}/${subset ?? ''}`).join(', ');
  context.say(object, 'question', {
    service: draft.name,
    field,
    message: `of ${unknown} no DestinationRule here says which version it is; give it too`,
  });
  return undefined;
}

function mirrorOf(given: Given, { mirrors = [], mirror, mirrorPercentage }: HttpRoute, at: string): Mirror | undefined {
  const { context, object, draft, subsets, backends } = given;
  const [first, ...others] = mirror ? [{ destination: mirror, percentage: mirrorPercentage }, ...mirrors] : mirrors;
  if (!first) return undefined;
  const about = { service: draft.name, into: 'mirror', field: `${at}.mirrors` };
  const name = context.inventory.serviceOfHost(first.destination.host, object.namespace);
  const { subset } = first.destination;
  const version =
    name &&
    (subset === undefined
      ? backends.get(`${name.namespace}/${name.name}`)
      : name.name === draft.name
        ? subsets.get(subsetKey(name, subset))
        : undefined);
  const share = first.percentage?.value ?? 100;
  const percent = wholePercent(share);
  if (version === undefined || percent === undefined) {
    context.say(object, 'not-imported', { ...about, message: 'a spec mirrors to a version of the same service' });
    return undefined;
  }
  if (others.length > 0)
    context.say(object, 'not-imported', { ...about, message: 'a spec mirrors to one version; the others get no copies' });
  context.say(object, ...became(about, isWholePercent(share) ? undefined : 'the share is a whole percentage'));
  return { version, percent };
}
