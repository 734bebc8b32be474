/**
 * A mesh's spec, read from its files: one `Mesh` and its `Service`s, any number of documents in a file. It is good as a whole or it
 * is refused with everything that is wrong, each with file, line and field; nothing here reads a disk.
 */
import { z } from 'zod';
import { API_VERSION } from './authored-fields.ts';
import { authoredMeshSchema } from './authored-mesh.ts';
import { authoredServiceSchema } from './authored-service.ts';
import { writtenPlace } from './field-place.ts';
import { heldWithoutStable } from './held-calls.ts';
import { jsonSchema, SPEC_KINDS, type SpecKind } from './json-schema.ts';
import { nearest } from './nearest.ts';
import { clashingNames } from './outside-names.ts';
import { type Neighbours, neighboursOf, resolveAllow, resolveService } from './resolve-service.ts';
import type { MeshSpec, ServiceSpec } from './schema.ts';
import { sharedClusters } from './shared-clusters.ts';
import { sharedWorkloads } from './shared-workloads.ts';
import { complaintsOf, wordIssue } from './wording.ts';
import { readYaml, type SpecFile, type SpecProblem, type YamlDocument } from './yaml-documents.ts';

export type { SpecFile, SpecProblem } from './yaml-documents.ts';

export type SpecReading =
  | { readonly ok: true; readonly mesh: MeshSpec; readonly services: readonly ServiceSpec[]; readonly places: SpecPlaces }
  | { readonly ok: false; readonly problems: readonly SpecProblem[] };

/** Makes problems that are found once a spec is read, at the place where it says what they are about. */
export interface SpecPlaces {
  /** `where` is a place in the service's plan, such as `routes.beta.retries.on`; what the mesh says for all services is placed there. */
  problemOfService(service: string, where: string, message: string): SpecProblem;
  problemOfDataPlane(dataPlane: string, message: string): SpecProblem;
  problemOfMesh(message: string): SpecProblem;
}

const MAX_PROBLEMS = 100;

/** What other documents refer to; read even where the rest of a document is wrong, so that every problem shows at once. */
const referencesSchema = z.object({
  name: z.string().max(63).optional().catch(undefined),
  team: z.string().max(63).optional().catch(undefined),
  dataPlanes: z.array(z.unknown()).optional().catch(undefined),
  teams: z.array(z.unknown()).optional().catch(undefined),
  mtls: z.unknown().optional(),
  allow: z.array(z.unknown()).optional().catch(undefined),
});
const fromSchema = z.object({ from: z.array(z.unknown()) });
const namedSchema = z.union([z.string(), z.object({ name: z.string() }).transform(({ name }) => name)]);

interface Declared {
  readonly document: YamlDocument;
  readonly kind: SpecKind;
  readonly references: z.infer<typeof referencesSchema>;
}

/** `services` come sorted by name, problems as `problemsInOrder` has them. */
export function readSpec(files: readonly SpecFile[]): SpecReading {
  const problems: SpecProblem[] = [];
  const declared: Declared[] = [];
  let allParsed = true;
  for (const file of files) {
    const yaml = readYaml(file);
    allParsed &&= yaml.problems.length === 0;
    problems.push(...yaml.problems);
    for (const document of yaml.documents) {
      const kind = kindOf(document, problems);
      if (kind !== undefined) declared.push({ document, kind, references: referencesSchema.parse(document.value) });
    }
  }
  const meshes = declared.filter(({ kind }) => kind === 'Mesh');
  const services = declared.filter(({ kind }) => kind === 'Service');
  // The mesh may be in a file that could not be parsed.
  if (meshes.length > 0 || allParsed) checkOneMesh(meshes, files, problems);
  checkNamesOnce(services, problems);
  const [first] = meshes;
  const names = new Set(services.flatMap(({ references }) => references.name ?? []));
  for (const service of services) {
    if (first !== undefined) checkReferences(service, first, problems);
    checkCallers(service, names, problems);
  }

  const mesh = first === undefined ? undefined : parse(authoredMeshSchema, first, problems);
  const written = services.flatMap((service) => parse(authoredServiceSchema, service, problems) ?? []);
  if (first === undefined || mesh === undefined || problems.length > 0) return { ok: false, problems: problemsInOrder(problems, files) };
  const neighbours = neighboursOf(written);
  const resolved = written.map((service) => resolveService(mesh, service, neighbours));
  const places = placesIn(first, services, neighbours);
  const clashes = [
    ...sharedClusters(mesh.spec.dataPlanes).map(({ dataPlane, message }) => places.problemOfDataPlane(dataPlane, message)),
    ...[...clashingNames(resolved), ...sharedWorkloads(resolved), ...heldWithoutStable(resolved)].map(({ service, where, message }) =>
      places.problemOfService(service, where, message),
    ),
  ];
  if (clashes.length > 0) return { ok: false, problems: problemsInOrder(clashes, files) };
  return { ok: true, mesh: mesh.spec, services: resolved.sort((a, b) => (a.name < b.name ? -1 : 1)), places };
}

function placesIn(mesh: Declared, services: readonly Declared[], neighbours: Neighbours): SpecPlaces {
  return {
    problemOfService(name, where, message) {
      const document = services.find(({ references }) => references.name === name)?.document ?? mesh.document;
      const allow = neighbours.byName.get(name)?.allow ?? [];
      const entries = resolveAllow(allow, neighbours).map(({ entry }) => entry);
      const place = writtenPlace(where, document.value, mesh.document.value, entries);
      return (place.in === 'mesh' ? mesh.document : document).problem(place.path, message);
    },
    problemOfDataPlane(name, message) {
      const index = namesIn(mesh.references.dataPlanes).indexOf(name);
      return mesh.document.problem(['dataPlanes', index], message);
    },
    problemOfMesh: (message) => mesh.document.problem([], message),
  };
}

function kindOf(document: YamlDocument, problems: SpecProblem[]): SpecKind | undefined {
  const header = z.object({ apiVersion: z.unknown().optional(), kind: z.unknown().optional() }).safeParse(document.value);
  if (!header.success) {
    problems.push(
      document.problem([], `a file holds a \`Mesh\` or a \`Service\`: begin with \`apiVersion: ${API_VERSION}\` and \`kind: Service\``),
    );
    return undefined;
  }
  const { apiVersion, kind } = header.data;
  const known = SPEC_KINDS.find((each) => each === kind);
  if (known === undefined) {
    const meant = typeof kind === 'string' ? nearest(kind, SPEC_KINDS) : undefined;
    problems.push(
      document.problem(['kind'], `say \`kind: Mesh\` or \`kind: Service\`${meant === undefined ? '' : `; did you mean \`${meant}\`?`}`),
    );
    if (apiVersion !== API_VERSION) problems.push(document.problem(['apiVersion'], `say \`apiVersion: ${API_VERSION}\``));
  }
  return known;
}

function checkOneMesh(meshes: readonly Declared[], files: readonly SpecFile[], problems: SpecProblem[]): void {
  const [first, ...others] = meshes;
  if (first === undefined) {
    const message = `no file holds the \`Mesh\`: add one with \`apiVersion: ${API_VERSION}\`, \`kind: Mesh\`, a \`name\` and \`dataPlanes\``;
    problems.push({ file: files[0]?.path ?? '', line: 1, field: '', message });
    return;
  }
  for (const other of others) {
    problems.push(other.document.problem(['kind'], `the mesh is already described in ${placeOf(first)}; a spec holds one \`Mesh\``));
  }
}

function checkNamesOnce(services: readonly Declared[], problems: SpecProblem[]): void {
  const seen = new Map<string, Declared>();
  for (const service of services) {
    const { name } = service.references;
    if (name === undefined) continue;
    const before = seen.get(name);
    if (before === undefined) seen.set(name, service);
    else
      problems.push(
        service.document.problem(['name'], `\`${name}\` is already described in ${placeOf(before)}; a mesh has one service of a name`),
      );
  }
}

function placeOf(declared: Declared): string {
  const { file, line } = declared.document.problem(['name'], '');
  return `${file}:${line}`;
}

function checkReferences(service: Declared, mesh: Declared, problems: SpecProblem[]): void {
  const planes = namesIn(mesh.references.dataPlanes);
  const named = service.references.dataPlanes ?? [];
  if (planes.length > 0) {
    named.forEach((plane, index) => {
      if (typeof plane !== 'string' || planes.includes(plane)) return;
      problems.push(service.document.problem(['dataPlanes', index], `the mesh has no such data plane; ${suggestion(plane, planes)}`));
    });
  }
  if (service.references.allow !== undefined && service.references.mtls === undefined && mesh.references.mtls === undefined) {
    const message =
      'callers are known by mTLS, and nothing says how far it is: give the mesh or this service `mtls: permissive`, `shadow` or `strict`';
    problems.push(service.document.problem(['allow'], message));
  }
  const teams = namesIn(mesh.references.teams);
  const { team } = service.references;
  if (team !== undefined && teams.length > 0 && !teams.includes(team)) {
    problems.push(service.document.problem(['team'], `the mesh has no such team; ${suggestion(team, teams)}`));
  }
}

function checkCallers({ document, references }: Declared, services: ReadonlySet<string>, problems: SpecProblem[]): void {
  const check = (name: unknown, path: readonly PropertyKey[]) => {
    if (typeof name !== 'string' || services.has(name) || problems.length > MAX_PROBLEMS) return;
    problems.push(document.problem(path, `the mesh has no such service; ${suggestion(name, [...services])}`));
  };
  (references.allow ?? []).forEach((entry, index) => {
    check(entry, ['allow', index]);
    const from = fromSchema.safeParse(entry).data?.from ?? [];
    from.forEach((name, place) => {
      check(name, ['allow', index, 'from', place]);
    });
  });
}

function namesIn(list: readonly unknown[] | undefined): string[] {
  return (list ?? []).flatMap((entry) => namedSchema.safeParse(entry).data ?? []);
}

function suggestion(word: string, known: readonly string[]): string {
  const meant = nearest(word, known);
  const listed = known.slice(0, 10).map((name) => `\`${name}\``);
  return meant === undefined ? `it has ${listed.join(', ')}${known.length > 10 ? ' …' : ''}` : `did you mean \`${meant}\`?`;
}

function parse<Spec>(schema: z.ZodType<Spec>, { document, kind }: Declared, problems: SpecProblem[]): Spec | undefined {
  const parsed = schema.safeParse(document.value, { error: wordIssue });
  if (parsed.success) return parsed.data;
  const complaints = complaintsOf(jsonSchema(kind), parsed.error.issues).slice(0, MAX_PROBLEMS + 1);
  for (const { path, message, key } of complaints) problems.push(document.problem(path, message, key));
  return undefined;
}

/** In the order of the files, then of the lines; at most 100, and a last one when there are more. */
export function problemsInOrder(problems: readonly SpecProblem[], files: readonly SpecFile[]): SpecProblem[] {
  const order = new Map(files.map(({ path }, index) => [path, index]));
  const place = ({ file }: SpecProblem) => order.get(file) ?? 0;
  const all = [...problems].sort((a, b) => place(a) - place(b) || a.line - b.line || (a.column ?? 0) - (b.column ?? 0));
  const last = all[MAX_PROBLEMS];
  if (last === undefined) return all;
  const { file, line } = last;
  return [...all.slice(0, MAX_PROBLEMS), { file, line, field: '', message: 'there are more problems; mend those above first' }];
}
