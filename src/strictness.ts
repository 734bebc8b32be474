/**
 * Services on their way to `mtls: strict`: what those in `shadow` would refuse, seen by a timer and when asked, and the gate that keeps one
 * from becoming strict while it would refuse calls, or while nobody can see whether it would.
 */
import type { AdoptedMesh } from './reconcile/adopted-specs.ts';
import { type DryRunPorts, dryRunReport, lookAtDryRun } from './reconcile/dry-run.ts';
import { againstStrict, type DryRunReport } from './reconcile/dry-run-report.ts';
import type { SpecPlaces, SpecProblem } from './spec/read-spec.ts';
import type { ServiceSpec } from './spec/schema.ts';

const AT_ONCE = 8;

export interface Strictness {
  /** Of each data plane of the service, looked at now; none where it is not in `shadow`. `undefined`: no such service. */
  look(mesh: string, service: string): Promise<readonly Judged[] | undefined>;
  /** As it was seen last, within a day. */
  seen(mesh: string, service: string): Promise<readonly Judged[] | undefined>;
  /** Every service in `shadow`. */
  lookAtAll(): Promise<readonly Judged[]>;
  /** What keeps services of a spec that is to be adopted from going from `shadow` to `strict`. */
  problems(mesh: string, services: Adopting, places: SpecPlaces): Promise<readonly SpecProblem[]>;
}

/** `against`: what keeps it from becoming strict. */
export type Judged = DryRunReport & { readonly against: string | null };

/** The services as they are adopted, and as they are to be. */
export interface Adopting {
  readonly before: readonly ServiceSpec[];
  readonly after: readonly ServiceSpec[];
}

export interface Adopted {
  one(mesh: string): Promise<AdoptedMesh | undefined>;
  all(): Promise<readonly AdoptedMesh[]>;
}

const isInShadow = ({ mtls }: ServiceSpec): boolean => mtls?.stage === 'shadow';

export function strictness(ports: DryRunPorts, adopted: Adopted): Strictness {
  const specOf = async (mesh: string, service: string): Promise<ServiceSpec | undefined> =>
    (await adopted.one(mesh))?.services.find(({ name }) => name === service);

  const judged = (report: DryRunReport): Judged => ({ ...report, against: againstStrict(report, ports.now()) ?? null });

  const lookAt = (mesh: string, { name: service, dataPlanes }: ServiceSpec): Promise<readonly Judged[]> =>
    Promise.all(dataPlanes.map(async (dataPlane) => judged(await lookAtDryRun(ports, { mesh, service, dataPlane }))));

  return {
    async look(mesh, service) {
      const spec = await specOf(mesh, service);
      if (!spec) return undefined;
      return isInShadow(spec) ? lookAt(mesh, spec) : [];
    },

    async seen(mesh, service) {
      const spec = await specOf(mesh, service);
      if (!spec) return undefined;
      const where = spec.dataPlanes.map((dataPlane) => ({ mesh, service, dataPlane }));
      const reports = await Promise.all(where.map((each) => dryRunReport(ports.documents, each, ports.now())));
      return reports.filter((report) => report !== undefined).map(judged);
    },

    async lookAtAll() {
      const services = (await adopted.all()).flatMap(({ mesh, services }) => services.filter(isInShadow).map((spec) => ({ mesh, spec })));
      const reports: Judged[] = [];
      for (let index = 0; index < services.length; index += AT_ONCE) {
        const some = services.slice(index, index + AT_ONCE);
        reports.push(...(await Promise.all(some.map(({ mesh, spec }) => lookAt(mesh, spec)))).flat());
      }
      return reports;
    },

    async problems(mesh, { before, after }, places) {
      const known = new Map(before.map((spec) => [spec.name, spec]));
      const problems: SpecProblem[] = [];
      for (const { name, mtls } of after) {
        const was = known.get(name);
        if (!was || !isInShadow(was) || mtls?.stage !== 'strict') continue;
        for (const { against } of await lookAt(mesh, was)) {
          const insist = 'Or accept that, with `meshwright apply --accept-refusals`.';
          if (against !== null) problems.push(places.problemOfService(name, 'mtls', `${against} ${insist}`));
        }
      }
      return problems;
    },
  };
}
