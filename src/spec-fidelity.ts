/**
 * What the data planes say of a whole spec, before anything of it is adopted: each service on each data plane it lives on,
 * judged by the plan that a rollout will make of it.
 */
import { z } from 'zod';
import { rendererOf } from './dataplanes/renderers.ts';
import { type FidelityEntry, isRefusal, judge } from './plan/fidelity.ts';
import { planService } from './plan/plan-service.ts';
import type { SpecPlaces, SpecProblem } from './spec/read-spec.ts';
import type { DataPlaneSpec, MeshSpec, ServiceSpec } from './spec/schema.ts';

export interface ServiceFidelity {
  readonly service: string;
  readonly dataPlane: DataPlaneSpec;
  readonly entries: readonly FidelityEntry[];
  /** Why names that it would get there are not to be had. */
  readonly taken: readonly string[];
}

/** By service, then by data plane. */
export function specFidelity(mesh: MeshSpec, services: readonly ServiceSpec[]): readonly ServiceFidelity[] {
  const byDataPlane = mesh.dataPlanes.flatMap((dataPlane) => {
    const there = services.filter((service) => service.dataPlanes.includes(dataPlane.name));
    return fidelityOn(mesh.name, there, dataPlane);
  });
  return services.flatMap(({ name }) => byDataPlane.filter(({ service }) => service === name));
}

/** Of services that all are to live there. */
export function fidelityOn(mesh: string, services: readonly ServiceSpec[], dataPlane: DataPlaneSpec): readonly ServiceFidelity[] {
  const taken = takenNames(mesh, services, dataPlane);
  return services.map((service) => ({
    service: service.name,
    dataPlane,
    entries: serviceFidelity(mesh, service, dataPlane),
    taken: taken.get(service.name) ?? [],
  }));
}

export const isRefused = ({ entries, taken }: ServiceFidelity): boolean => taken.length > 0 || entries.some(isRefusal);

const objectSchema = z.object({ kind: z.string(), metadata: z.object({ namespace: z.string(), name: z.string() }) });

/** By service, a sentence for each object that would have a name that another has: that of a service before it, or one of its own. */
function takenNames(mesh: string, services: readonly ServiceSpec[], dataPlane: DataPlaneSpec): ReadonlyMap<string, readonly string[]> {
  const owners = new Map(services.map(({ namespace, name }) => [`Service ${namespace}/${name}`, name]));
  const takenBy = (service: ServiceSpec): readonly string[] => {
    const mine = new Set<string>();
    return objectNames(mesh, service, dataPlane).flatMap((object) => {
      const owner = owners.get(object) ?? service.name;
      const isTwice = mine.has(object);
      mine.add(object);
      owners.set(object, owner);
      if (owner !== service.name) return [`its ${object} would be that of \`${owner}\`; give one of them another name`];
      return isTwice ? [`two of its objects would be ${object}; give the route another name`] : [];
    });
  };
  return new Map(services.map((service) => [service.name, takenBy(service)]));
}

/** Such as `Service shop/catalog-v1`. Of what is refused nothing is rendered. */
function objectNames(mesh: string, service: ServiceSpec, dataPlane: DataPlaneSpec): readonly string[] {
  const { fidelity, render } = rendererOf(dataPlane);
  const plan = planService(mesh, service, { split: [{ version: service.stable ?? 'v1', weight: 100 }] });
  if (judge(plan, fidelity).some(isRefusal)) return [];
  return render(plan).flatMap((object) => {
    const named = objectSchema.safeParse(object).data;
    return named ? [`${named.kind} ${named.metadata.namespace}/${named.metadata.name}`] : [];
  });
}

export function serviceFidelity(mesh: string, service: ServiceSpec, dataPlane: DataPlaneSpec): readonly FidelityEntry[] {
  return judge(planService(mesh, service, { split: splitOfRollout(service) }), rendererOf(dataPlane).fidelity);
}

/** Everything that is refused, each thing once for the place where it is written. */
export function refusedProblems(fidelity: readonly ServiceFidelity[], places: SpecPlaces): readonly SpecProblem[] {
  const problems = fidelity.flatMap(({ service, dataPlane, entries, taken }) => {
    const problem = (where: string, code: string, sentence: string): SpecProblem => {
      const message = `${service} on ${dataPlane.name} (${dataPlane.kind}): ${sentence}`;
      return { ...places.problemOfService(service, where, message), refusal: { service, dataPlane: dataPlane.name, code } };
    };
    return [
      ...entries.filter(isRefusal).map(({ where, judgement: { code, sentence } }) => problem(where, code, sentence)),
      ...taken.map((sentence) => problem('name', 'NameTaken', sentence)),
    ];
  });
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()];
}

/** A rollout divides requests over two versions; which, no data plane judges. None that gets copies: a plan drops those of what it serves. */
function splitOfRollout({ stable, routes }: ServiceSpec) {
  const mirrors = routes.flatMap(({ mirror }) => mirror?.version ?? []);
  const free = Array.from({ length: mirrors.length + 3 }, (_, index) => `v${index + 1}`).filter(
    (version) => version !== stable && !mirrors.includes(version),
  );
  const [first = 'v1', second = 'v2'] = stable === undefined ? free : [stable, ...free];
  return [
    { version: first, weight: 99 },
    { version: second, weight: 1 },
  ];
}
