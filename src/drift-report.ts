/**
 * Drift of whole meshes: every service on every data plane, looked for now or as it was seen last, in words that people read. A data plane
 * that does not answer keeps nobody from the others.
 */
import type { Documents } from './journal/documents.ts';
import type { AdoptedMesh } from './reconcile/adopted-specs.ts';
import { type DriftLook, driftLooks } from './reconcile/drift.ts';
import { owedLooks, settleLook } from './reconcile/owed-looks.ts';
import type { Tending } from './reconcile/tending.ts';
import { differenceText } from './rollouts/difference.ts';

const AT_ONCE = 8;

export interface DriftScope {
  readonly mesh?: string;
  readonly service?: string;
  readonly dataPlane?: string;
}

export interface DriftReport extends DriftLook {
  readonly mesh: string;
  /** A sentence or two for each difference. */
  readonly texts: readonly string[];
}

const reportOf = (mesh: string, look: DriftLook): DriftReport => ({ mesh, ...look, texts: look.differences.map(differenceText) });

const placeOf = ({ mesh, service, dataPlane }: Pick<DriftReport, 'mesh' | 'service' | 'dataPlane'>): string =>
  `${mesh}/${service}/${dataPlane}`;

const sorted = (reports: readonly DriftReport[]): readonly DriftReport[] => reports.toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));

function placesIn(meshes: readonly AdoptedMesh[], { mesh: inMesh, service: ofService, dataPlane: onDataPlane }: DriftScope) {
  return meshes
    .filter(({ mesh }) => inMesh === undefined || mesh === inMesh)
    .flatMap(({ mesh, services }) =>
      services
        .filter(({ name }) => ofService === undefined || name === ofService)
        .flatMap(({ name: service, dataPlanes }) => dataPlanes.map((dataPlane) => ({ mesh, service, dataPlane }))),
    )
    .filter(({ dataPlane }) => onDataPlane === undefined || dataPlane === onDataPlane);
}

/** In order of mesh, service and data plane; without those for which nothing is decided yet. */
export async function lookForDriftIn(
  adopted: () => Promise<readonly AdoptedMesh[]>,
  tending: Pick<Tending, 'drift'>,
  scope: DriftScope = {},
): Promise<readonly DriftReport[]> {
  const places = placesIn(await adopted(), scope);
  const reports: DriftReport[] = [];
  for (let index = 0; index < places.length; index += AT_ONCE) {
    const looks = await Promise.all(
      places.slice(index, index + AT_ONCE).map(async (where) => ({ where, look: await tending.drift(where) })),
    );
    reports.push(...looks.flatMap(({ where, look }) => (look ? [reportOf(where.mesh, look)] : [])));
  }
  return sorted(reports);
}

/** What is owed a look, of all meshes. What cannot be looked at is seen as that, and left to the timer that looks at everything. */
export async function lookWhereOwed(
  documents: Documents,
  adopted: () => Promise<readonly AdoptedMesh[]>,
  tending: Pick<Tending, 'drift'>,
  now: () => number,
): Promise<readonly DriftReport[]> {
  const meshes = await adopted();
  const owed = (await Promise.all(meshes.map(({ mesh }) => owedLooks(documents, mesh, now())))).flat();
  const reports: DriftReport[] = [];
  for (let index = 0; index < owed.length; index += AT_ONCE) {
    const made = owed.slice(index, index + AT_ONCE).map(async (found) => {
      const looks = await lookForDriftIn(async () => meshes, tending, found.look);
      await settleLook(documents, found, now());
      return looks;
    });
    reports.push(...(await Promise.all(made)).flat());
  }
  return sorted(reports);
}

export async function driftSeen(
  documents: Documents,
  adopted: () => Promise<readonly AdoptedMesh[]>,
  now: number,
  scope: DriftScope = {},
): Promise<readonly DriftReport[]> {
  const places = placesIn(await adopted(), scope);
  const wanted = new Set(places.map(placeOf));
  const meshes = [...new Set(places.map(({ mesh }) => mesh))];
  const seen = await Promise.all(meshes.map(async (mesh) => (await driftLooks(documents, mesh, now)).map((look) => reportOf(mesh, look))));
  return sorted(seen.flat().filter((report) => wanted.has(placeOf(report))));
}
