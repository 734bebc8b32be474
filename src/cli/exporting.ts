/**
 * `meshwright export`: a whole spec as the resources of one mesh, one file each, whatever data planes the spec names. With
 * anything refused there are no resources, only the report of it.
 */
import { stringify } from 'yaml';
import { consulCustomResources } from '../dataplanes/consul/custom-resources.ts';
import { renderShared } from '../dataplanes/envoy/render.ts';
import { messageOf } from '../dataplanes/envoy/resources.ts';
import { rendererOf } from '../dataplanes/renderers.ts';
import { planService } from '../plan/plan-service.ts';
import { authoredDataPlaneSchema } from '../spec/authored-data-planes.ts';
import type { DataPlaneKind, DataPlaneSpec } from '../spec/schema.ts';
import { fidelityOn, isRefused, type ServiceFidelity } from '../spec-fidelity.ts';
import { MANIFEST, writeExport } from './export-folder.ts';
import { Failure } from './failure.ts';
import { nameOf, type Resource } from './resources.ts';
import { problemLine } from './spec-folder.ts';
import { readSpecIn, refusalFailure, type Spec } from './spec-reading.ts';
import type { Terminal } from './terminal.ts';

export interface ExportOptions {
  readonly mesh: string;
  readonly as: DataPlaneKind;
  readonly out: string;
  readonly force?: boolean;
  /** Those of consul-k8s instead of config entries. */
  readonly customResources?: boolean;
  readonly json?: boolean;
}

/** `mesh` is the folder of the spec. @throws Failure with exit code 3 when anything is refused, once that is written. */
export async function exportSpec(
  terminal: Terminal,
  { mesh: folder, as, out, force = false, customResources = false, json }: ExportOptions,
): Promise<void> {
  if (customResources && as !== 'consul') throw new Failure('--custom-resources goes with --as consul alone.', { exitCode: 2 });
  const spec = await readSpecIn(folder);
  const dataPlane = dataPlaneFor(spec, as);
  const fidelity = fidelityOn(spec.mesh.name, spec.services, dataPlane);
  const refused = fidelity.some(isRefused);
  const files = refused ? new Map<string, string>() : filesOf(spec, dataPlane, customResources);
  const report = {
    mesh: spec.mesh.name,
    as,
    entries: fidelity.flatMap(({ service, entries }) => entries.map((entry) => ({ service, ...entry }))),
  };
  await writeExport(out, files, report, force);
  if (json) terminal.out(JSON.stringify({ ...report, files: [...files.keys()] }, null, 2));
  const failure = refusalFailure(
    spec,
    fidelity,
    `${as} cannot say what this spec means, and of its files only ${out}/${MANIFEST} is written:`,
  );
  if (failure) throw failure;
  if (!json) terminal.out(exportText(fidelity, files.size, out));
}

/** The first of the mesh that is of this kind, for its options; otherwise one with the defaults that `docs/spec.md` names. */
function dataPlaneFor({ mesh }: Spec, kind: DataPlaneKind): DataPlaneSpec {
  const own = mesh.dataPlanes.find((dataPlane) => dataPlane.kind === kind);
  return own ?? authoredDataPlaneSchema.parse({ kind, name: kind, ...(kind === 'consul' ? { defaultPolicy: 'deny' } : {}) });
}

/** By name, in the order of applying: names sort in it, for each service. All requests go to `stable`. */
function filesOf(spec: Spec, dataPlane: DataPlaneSpec, customResources: boolean): ReadonlyMap<string, string> {
  const unversioned = spec.services.filter(({ stable }) => stable === undefined);
  if (unversioned.length > 0) {
    const message = 'an export sends all requests to the version named here: give one';
    const details = unversioned.map(({ name }) => problemLine(spec.places.problemOfService(name, 'stable', message)));
    throw new Failure('Nothing is written: there are services without a version to route to.', { exitCode: 2, details });
  }
  const plans = spec.services.map((service) =>
    planService(spec.mesh.name, service, { split: [{ version: service.stable ?? '', weight: 100 }] }),
  );
  if (dataPlane.kind === 'envoy') {
    // What Envoys of a mesh share, they share over all its services.
    const resources = renderShared(plans, []).map(({ type, json }) => ({ '@type': `type.googleapis.com/${messageOf[type]}`, ...json }));
    return named(spec.mesh.name, resources, 'json');
  }
  if (customResources) return new Map(plans.flatMap((plan) => [...named(plan.service, consulCustomResources(plan), 'yaml')]));
  const renderer = rendererOf(dataPlane);
  const form = dataPlane.kind === 'consul' ? 'json' : 'yaml';
  return new Map(plans.flatMap((plan) => [...named(plan.service, renderer.render(plan), form)]));
}

function named(prefix: string, resources: readonly Resource[], form: 'json' | 'yaml'): ReadonlyMap<string, string> {
  const digits = Math.max(2, String(resources.length).length);
  return new Map(
    resources.map((resource, index) => {
      const { kind, name } = nameOf(resource);
      const words = [prefix, String(index + 1).padStart(digits, '0'), kind, name.slice(name.indexOf('/') + 1)].map(plain);
      return [`${words.join('-')}.${form}`, form === 'json' ? `${JSON.stringify(resource, null, 2)}\n` : yaml(resource)];
    }),
  );
}

const plain = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');

/** Quoted as YAML 1.1 needs it, which Kubernetes tools read (`yes` is true there). */
function yaml(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0, version: '1.1' });
}

function exportText(fidelity: readonly ServiceFidelity[], files: number, out: string): string {
  const nearly = fidelity.flatMap(({ service, entries }) =>
    entries.flatMap(({ where, judgement }) =>
      judgement.kind === 'approximated' ? [`${service} ${where}: only nearly; ${judgement.difference}`] : [],
    ),
  );
  return [...nearly, `${files} files and ${MANIFEST} are in ${out}.`].join('\n');
}
