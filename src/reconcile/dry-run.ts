/**
 * Looking at what services in `mtls: shadow` would refuse: each look adds to the report of the stage, an observation. One data plane
 * that cannot be asked is said to be unseen, and keeps nobody from the others.
 */
import type { Documents, JsonObject } from '../journal/documents.ts';
import type { DataPlane } from './data-plane.ts';
import { counted, type DryRunReport, dryRunReportSchema, emptyReport, notSeen } from './dry-run-report.ts';
import { readFragment } from './model.ts';
import { type Where, whereId } from './where.ts';

/** A stage that nobody has looked at for a day begins anew. */
const KEPT_MS = 24 * 3_600_000;

export interface DryRunPorts {
  readonly documents: Documents;
  readonly now: () => number;
  readonly dataPlane: (mesh: string, name: string) => Promise<DataPlane | undefined>;
  readonly report: (problem: string, error: unknown) => void;
}

const partitionOf = (mesh: string): string => `dry-run/${mesh}`;

/** As it was seen last; `undefined`: not within a day. */
export async function dryRunReport(documents: Documents, where: Where, now: number): Promise<DryRunReport | undefined> {
  const found = await documents.read(partitionOf(where.mesh), whereId(where));
  if (!found || (found.document.expiresAt ?? 0) <= now) return undefined;
  return dryRunReportSchema.parse(found.document.body);
}

/** Looks now, and keeps what is seen. */
export async function lookAtDryRun(ports: DryRunPorts, where: Where): Promise<DryRunReport> {
  const { mesh, service, dataPlane } = where;
  const now = ports.now();
  const before = (await dryRunReport(ports.documents, where, now)) ?? emptyReport(service, dataPlane, now);
  const report = await look(ports, where, before, now);
  const body: JsonObject = JSON.parse(JSON.stringify(report));
  const document = { partition: partitionOf(mesh), id: whereId(where), kind: 'dry-run', ordinal: now, expiresAt: now + KEPT_MS, body };
  await ports.documents.batch(partitionOf(mesh), [{ op: 'upsert', document }]);
  return report;
}

async function look(ports: DryRunPorts, where: Where, before: DryRunReport, now: number): Promise<DryRunReport> {
  const { mesh, service, dataPlane } = where;
  const plane = await ports.dataPlane(mesh, dataPlane);
  const fragment = await readFragment(ports.documents, mesh, service);
  const plan = fragment?.plan;
  if (!plane?.dryRun || !plan) {
    const because = plan
      ? 'meshwright does not read what the proxies there note of it; see their access logs.'
      : 'nothing of it is served yet.';
    return notSeen(before, because, now);
  }
  try {
    return counted(before, await plane.dryRun(plan, { sequence: fragment.sequence, now }), now);
  } catch (error) {
    ports.report(`It could not be seen whom ${service} would refuse on ${dataPlane}.`, error);
    return notSeen(before, error instanceof Error ? error.message : String(error), now);
  }
}
