/**
 * The import: objects of other meshes and tools in, the files of a spec out, and a report of what became of everything. Pure; the order
 * of the objects changes nothing.
 */
import type { WeightedVersion } from '../plan/plan.ts';
import { isName } from '../spec/names.ts';
import type { SpecFile } from '../spec/read-spec.ts';
import type { DataPlaneKind, MeshSpec, ServiceSpec } from '../spec/schema.ts';
import { importRollouts } from './argo.ts';
import { importIntentions } from './consul-intentions.ts';
import { importConsulRouting } from './consul-routing.ts';
import { createDrafts, type ImportContext, type ServiceDraft } from './draft.ts';
import type { Finding, Say } from './findings.ts';
import { importCanaries } from './flagger.ts';
import { importHttpRoutes } from './http-route.ts';
import { takeInventory } from './inventory.ts';
import { importDestinationRules } from './istio-destination-rule.ts';
import { importIstioSecurity } from './istio-security.ts';
import { importServiceEntries } from './istio-service-entry.ts';
import { importVirtualServices } from './istio-virtual-service.ts';
import { importFailureAccrual } from './linkerd-annotations.ts';
import { importLinkerdPolicy } from './linkerd-policy.ts';
import type { SourceObject } from './objects.ts';
import { describe, type Settled, settle } from './settle.ts';
import { importOsmBoundary, importTrafficTargets } from './smi-access.ts';
import { importOsmRetries, importTrafficSplits, importUpstreamTrafficSettings } from './smi-split.ts';
import { meshDocument, serviceDocument, writeSpec } from './write-spec.ts';

export interface ImportOptions {
  readonly mesh: string;
  /** Left out: the mesh that the objects are of. */
  readonly to?: DataPlaneKind;
  readonly consulDefault?: 'allow' | 'deny';
}

export interface Imported {
  readonly mesh: MeshSpec;
  readonly services: readonly ServiceSpec[];
  readonly files: readonly SpecFile[];
  /** By service: how its requests are divided now, which no spec holds. */
  readonly traffic: ReadonlyMap<string, readonly WeightedVersion[]>;
  /** Of every object at least one, in the order of the objects. */
  readonly findings: readonly Finding[];
  /** The meshes that the objects are of. */
  readonly from: readonly DataPlaneKind[];
}

/** Which mesh reads an API group. */
const MESHES: Readonly<Record<string, DataPlaneKind>> = {
  'networking.istio.io': 'istio',
  'security.istio.io': 'istio',
  'telemetry.istio.io': 'istio',
  'split.smi-spec.io': 'osm',
  'access.smi-spec.io': 'osm',
  'specs.smi-spec.io': 'osm',
  'policy.openservicemesh.io': 'osm',
  'config.openservicemesh.io': 'osm',
  'consul.hashicorp.com': 'consul',
  'policy.linkerd.io': 'linkerd',
  'linkerd.io': 'linkerd',
  'gateway.networking.k8s.io': 'gateway-api',
};

/** Throws RangeError when nothing in the objects is a service. */
export function importMesh(given: readonly SourceObject[], { mesh, to, consulDefault }: ImportOptions): Imported {
  const objects = given.toSorted((a, b) => compare(keyOf(a), keyOf(b)));
  const findings: Finding[] = [];
  const say: Say = (object, outcome, about) => void findings.push({ object, outcome, ...about });
  const context: ImportContext = {
    objects,
    inventory: takeInventory(objects),
    drafts: createDrafts(),
    say,
    versionServices: new Set(),
    ...(consulDefault === undefined ? {} : { consulDefault }),
  };
  const trustDomain = importAll(context);
  const drafts = distinct(context);
  if (drafts.length === 0) throw new RangeError('nothing here routes calls to a service, or says who may call one');
  for (const draft of drafts) describe(context, draft, sourcesOf(draft, objects, findings));
  const settled = drafts.map((draft) => settle(context, draft));
  for (const each of settled) checkBudget(context, each);
  for (const { draft, stable } of settled) if (stable === undefined) untilStable(context, draft, sourcesOf(draft, objects, findings));
  const from = meshesOf(objects);
  const dataPlane = to ?? from[0] ?? 'istio';
  const meshFields = {
    name: mesh,
    dataPlane,
    ...(trustDomain === undefined ? {} : { trustDomain }),
    ...(consulDefault === undefined ? {} : { consulDefault }),
  };
  const documents = new Map([
    ['mesh.yaml', meshDocument(meshFields)],
    ...settled.map((each) => [fileOf(each.draft), serviceDocument(each, drafts)] as const),
  ]);
  const { removed, ...spec } = writeSpec(documents);
  for (const { file, field, message } of removed) {
    const draft = drafts.find((each) => fileOf(each) === file);
    const [object] = draft ? sourcesOf(draft, objects, findings) : [];
    if (draft && object) say(object, 'not-imported', { service: draft.name, into: field, message: `a spec does not take it: ${message}` });
  }
  sayTheRest(objects, findings, say);
  return {
    ...spec,
    traffic: new Map(settled.map(({ draft, traffic }) => [draft.name, traffic])),
    findings: objects.flatMap((object) => findings.filter((finding) => finding.object === object)),
    from,
  };
}

/** Routing names the services first; who may call them is said of those. */
function importAll(context: ImportContext): string | undefined {
  importCanaries(context);
  importRollouts(context);
  const subsets = importDestinationRules(context);
  importVirtualServices(context, subsets);
  importTrafficSplits(context);
  importUpstreamTrafficSettings(context);
  importConsulRouting(context);
  importHttpRoutes(context);
  importFailureAccrual(context);
  importOsmRetries(context);
  importTrafficTargets(context);
  importOsmBoundary(context);
  importIntentions(context);
  importLinkerdPolicy(context);
  const trustDomain = importIstioSecurity(context);
  importServiceEntries(context);
  return trustDomain;
}

/** A mesh of a spec has one service of a name, whatever its namespace; and names are those of Kubernetes Services. */
function distinct({ drafts, objects, say }: ImportContext): readonly ServiceDraft[] {
  const kept = new Map<string, ServiceDraft>();
  for (const draft of drafts.all()) {
    const before = kept.get(draft.name);
    const why = before
      ? `a spec has one service of a name, and ${before.namespace}/${draft.name} is it; import the namespaces into meshes of their own`
      : isName(draft.name) && isName(draft.namespace)
        ? undefined
        : 'a spec has no such name for a service';
    if (why === undefined) kept.set(draft.name, draft);
    else
      for (const object of objects.filter(
        ({ namespace, name, kind }) => namespace === draft.namespace && (name === draft.name || kind === draft.routesFrom?.kind),
      ))
        say(object, 'not-imported', { service: draft.name, message: why });
  }
  return [...kept.values()];
}

/** The objects that said something of it. */
function sourcesOf(draft: ServiceDraft, objects: readonly SourceObject[], findings: readonly Finding[]): readonly SourceObject[] {
  const said = findings
    .filter(({ service, object }) => service === draft.name && (object.namespace === draft.namespace || object === draft.routesFrom))
    .map(({ object }) => object);
  const own = objects.filter(({ namespace, name }) => namespace === draft.namespace && name === draft.name);
  return [...new Set([...(draft.routesFrom ? [draft.routesFrom] : []), ...said, ...own, ...objects])];
}

/** A spec that holds calls back says which version serves; what is imported does not always know. */
function untilStable({ say }: ImportContext, draft: ServiceDraft, [object]: readonly SourceObject[]): void {
  const { mtls } = draft;
  if ((mtls !== 'strict' && mtls !== 'shadow') || !object) return;
  draft.mtls = 'permissive';
  const message = `which version serves? Name it as \`stable\`, then say \`mtls: ${mtls}\`; until then nobody is held back by the spec, so leave this object in place`;
  say(object, 'question', { service: draft.name, into: 'mtls', security: true, message });
}

/** A spec has no budget for retries that it does not have. */
function checkBudget({ say }: ImportContext, { draft, retries, routes }: Settled): void {
  const retrying = [retries, ...routes.map((route) => route.retries)].some((each) => each !== undefined && each.attempts > 0);
  if (retrying || !draft.fields.retryBudget) return;
  delete draft.fields.retryBudget;
  if (draft.routesFrom)
    say(draft.routesFrom, 'not-imported', {
      service: draft.name,
      into: 'retryBudget',
      message: 'nothing is tried again that a budget could limit',
    });
}

/** Of what nobody has spoken. */
function sayTheRest(objects: readonly SourceObject[], findings: readonly Finding[], say: Say): void {
  const spoken = new Set(findings.map(({ object }) => object));
  for (const object of objects) {
    if (spoken.has(object)) continue;
    const isMesh =
      MESHES[object.group] !== undefined || /istio|linkerd|consul|smi-spec|openservicemesh|flagger|argoproj/.test(object.group);
    const message = isMesh ? 'the import does not read this kind: nothing of it is in the spec' : 'nothing of it is needed in a spec';
    say(object, 'not-imported', { message, ...(isMesh && object.group.startsWith('security.') ? { security: true } : {}) });
  }
}

/** By how many objects. */
function meshesOf(objects: readonly SourceObject[]): readonly DataPlaneKind[] {
  const counts = [
    ...Map.groupBy(
      objects.flatMap(({ group }) => MESHES[group] ?? []),
      (kind) => kind,
    ),
  ];
  const kinds = counts.toSorted(([a, as], [b, bs]) => bs.length - as.length || compare(a, b)).map(([kind]) => kind);
  // Linkerd's own routes are Gateway API's.
  return kinds.includes('linkerd') ? kinds.filter((kind) => kind !== 'gateway-api') : kinds;
}

/** A service may be called `mesh`. */
const fileOf = ({ name }: ServiceDraft): string => `services/${name}.yaml`;
const keyOf = ({ group, kind, namespace, name, file }: SourceObject): string => [group, kind, namespace, name, file].join('\u0000');
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
