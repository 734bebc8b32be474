/**
 * What the data planes say of a whole spec, before anything of it is adopted: each service on each data plane it lives on,
 * judged by the plan that a rollout will make of it.
 */
import { rendererOf } from './dataplanes/renderers.ts';
import { type FidelityEntry, isRefusal, judge } from './plan/fidelity.ts';
import { planService } from './plan/plan-service.ts';
import type { SpecPlaces, SpecProblem } from './spec/read-spec.ts';
import type { DataPlaneSpec, MeshSpec, ServiceSpec } from './spec/schema.ts';

export interface ServiceFidelity {
  readonly service: string;
  readonly dataPlane: DataPlaneSpec;
  readonly entries: readonly FidelityEntry[];
}

/** By service, then by data plane. */
export function specFidelity(mesh: MeshSpec, services: readonly ServiceSpec[]): readonly ServiceFidelity[] {
  return services.flatMap((service) =>
    mesh.dataPlanes
      .filter(({ name }) => service.dataPlanes.includes(name))
      .map((dataPlane) => ({ service: service.name, dataPlane, entries: serviceFidelity(mesh.name, service, dataPlane) })),
  );
}

export function serviceFidelity(mesh: string, service: ServiceSpec, dataPlane: DataPlaneSpec): readonly FidelityEntry[] {
  return judge(planService(mesh, service, { split: splitOfRollout(service) }), rendererOf(dataPlane).fidelity);
}

/** Everything that is refused, each thing once for the place where it is written. */
export function refusedProblems(fidelity: readonly ServiceFidelity[], places: SpecPlaces): readonly SpecProblem[] {
  const problems = fidelity.flatMap(({ service, dataPlane, entries }) =>
    entries.filter(isRefusal).map(({ where, judgement: { code, sentence } }): SpecProblem => {
      const message = `${service} on ${dataPlane.name} (${dataPlane.kind}): ${sentence}`;
      return { ...places.problemOfService(service, where, message), refusal: { service, dataPlane: dataPlane.name, code } };
    }),
  );
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
