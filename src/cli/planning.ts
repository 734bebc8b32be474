/**
 * `meshwright plan`: what every data plane says of a spec, and what it would be given; against a running meshwright also what of
 * that would be new. Nothing is sent anywhere but questions.
 */
import { rendererOf } from '../dataplanes/renderers.ts';
import { type FidelityEntry, isRefusal } from '../plan/fidelity.ts';
import { planService } from '../plan/plan-service.ts';
import type { DataPlaneSpec, MeshSpec, ServiceSpec } from '../spec/schema.ts';
import { type ServiceFidelity, specFidelity } from '../spec-fidelity.ts';
import { adoptedSpecSchema, statusSchema } from './answers.ts';
import { type Connection, UnknownMesh } from './connection.ts';
import { type Change, changesBetween, kindAndName, type Resource } from './resources.ts';
import { readSpecIn, refusalFailure } from './spec-reading.ts';
import type { Terminal } from './terminal.ts';

export interface PlanOptions {
  readonly json?: boolean;
}

type Split = readonly { readonly version: string; readonly weight: number }[];

interface Side {
  readonly mesh: MeshSpec;
  readonly services: readonly ServiceSpec[];
  /** Where a service's requests go; empty: nobody knows yet. */
  readonly splitOf: (service: ServiceSpec) => Split;
}

interface Planned {
  readonly service: string;
  readonly dataPlane: string;
  readonly kind: DataPlaneSpec['kind'];
  /** `undefined`: the spec has it no longer. */
  readonly fidelity?: readonly FidelityEntry[];
  readonly resources: readonly Resource[];
  readonly changes?: readonly Change[];
}

/** `running`: where the adopted spec is asked for. @throws Failure with exit code 3 when a data plane refuses anything of it. */
export async function showPlan(running: Connection | undefined, terminal: Terminal, folder: string, { json }: PlanOptions): Promise<void> {
  const spec = await readSpecIn(folder);
  const { mesh, services } = spec;
  const adopted = running && (await adoptedSide(running, mesh.name));
  const next: Side = { mesh, services, splitOf: (service) => splitNow(adopted, service) };
  const fidelity = specFidelity(mesh, services);
  const planned = fidelity.map((each): Planned => plannedFor(each, next, running ? { side: adopted } : undefined));
  const gone = adopted ? removedServices(adopted, fidelity) : [];
  const all = [...planned, ...gone];
  terminal.out(json ? JSON.stringify({ mesh: mesh.name, plans: all }, null, 2) : planText(mesh, services, all));
  const failure = refusalFailure(spec, fidelity, 'A data plane cannot say what this spec means, and `apply` would refuse it:');
  if (failure) throw failure;
}

function plannedFor(
  { service, dataPlane, entries }: ServiceFidelity,
  next: Side,
  against: { side: AdoptedSide | undefined } | undefined,
): Planned {
  const { name, kind } = dataPlane;
  const sayable = !entries.some(isRefusal);
  const resources = sayable ? resourcesOf(next, service, name) : [];
  const before = against?.side === undefined ? [] : resourcesOf(against.side, service, name);
  return {
    service,
    dataPlane: name,
    kind,
    fidelity: entries,
    resources,
    ...(against === undefined || !sayable ? {} : { changes: changesBetween(before, resources) }),
  };
}

/** What was adopted and is on a data plane no longer. */
function removedServices(adopted: AdoptedSide, stays: readonly ServiceFidelity[]): readonly Planned[] {
  const kept = new Set(stays.map(({ service, dataPlane }) => `${service} ${dataPlane.name}`));
  return adopted.services.flatMap((service) =>
    adopted.mesh.dataPlanes
      .filter(({ name }) => service.dataPlanes.includes(name) && !kept.has(`${service.name} ${name}`))
      .map(({ name, kind }) => {
        const before = resourcesOf(adopted, service.name, name);
        return { service: service.name, dataPlane: name, kind, resources: [], changes: changesBetween(before, []) };
      }),
  );
}

function resourcesOf({ mesh, services, splitOf }: Side, service: string, dataPlane: string): readonly Resource[] {
  const spec = services.find(({ name }) => name === service);
  const place = mesh.dataPlanes.find(({ name }) => name === dataPlane);
  const split = spec === undefined ? [] : splitOf(spec);
  if (spec === undefined || place === undefined || split.length === 0 || !spec.dataPlanes.includes(dataPlane)) return [];
  return rendererOf(place).render(planService(mesh.name, spec, { split }));
}

/** Applying a spec moves no weight: only where there are none yet, all requests go to `stable`. */
function splitNow(adopted: AdoptedSide | undefined, { name, stable }: ServiceSpec): Split {
  const split = adopted?.splits.get(name) ?? [];
  return split.length > 0 || stable === undefined ? split : [{ version: stable, weight: 100 }];
}

interface AdoptedSide extends Side {
  readonly splits: ReadonlyMap<string, Split>;
}

/** `undefined`: no such mesh is adopted there. */
async function adoptedSide(connection: Connection, mesh: string): Promise<AdoptedSide | undefined> {
  const adopted = await connection.get(`meshes/${encodeURIComponent(mesh)}/spec`, adoptedSpecSchema).catch((error: unknown) => {
    if (error instanceof UnknownMesh) return undefined;
    throw error;
  });
  if (adopted === undefined) return undefined;
  const { services: status } = await connection.get('status', statusSchema);
  const splits = new Map(status.filter((each) => each.mesh === mesh).map(({ service, split }) => [service, split]));
  return { mesh: adopted.spec, services: adopted.services, splits, splitOf: ({ name }) => splits.get(name) ?? [] };
}

function planText(mesh: MeshSpec, services: readonly ServiceSpec[], plans: readonly Planned[]): string {
  const without = services.filter(({ stable }) => stable === undefined).map(({ name }) => name);
  const note = `${without.join(', ')}: without \`stable\` and before the first deployment there is no version to route to, and nothing is rendered.`;
  const unrendered = plans.some(({ resources }) => resources.length === 0) && without.length > 0;
  const title = `${mesh.name}: ${counted(services.length, 'service')}, ${counted(mesh.dataPlanes.length, 'data plane')}`;
  return [title, ...plans.map(plannedText), ...(unrendered ? [note] : [])].join('\n\n');
}

function plannedText({ service, dataPlane, kind, fidelity, resources, changes }: Planned): string {
  const title = `${service} on ${dataPlane} (${kind})`;
  const notes = (fidelity ?? []).flatMap(({ where, judgement }) => {
    if (judgement.kind === 'exact') return [];
    return [
      judgement.kind === 'refused'
        ? `  refused ${where}: ${judgement.sentence} [${judgement.code}]`
        : `  nearly ${where}: ${judgement.difference}`,
    ];
  });
  const lines = changes?.map(changeLine) ?? resources.map((resource) => `  ${kindAndName(resource)}`);
  const nothing = changes === undefined ? [] : ['  no change'];
  return [title, ...new Set(notes), ...(lines.length === 0 ? nothing : lines)].join('\n');
}

const SIGNS = { added: '+', changed: '~', removed: '-' } as const;
const MOST_PATHS = 5;

function changeLine({ change, kind, name, paths = [] }: Change): string {
  const where = paths.length > MOST_PATHS ? `${paths.slice(0, MOST_PATHS).join(', ')} …` : paths.join(', ');
  return `  ${SIGNS[change]} ${kind} ${name}${where === '' ? '' : `: ${where}`}`;
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
