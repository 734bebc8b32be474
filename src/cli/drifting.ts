/** `meshwright drift`: whether data planes have what was decided, as a table, and as an exit code for scripts. */
import { type DriftReport, driftSchema } from './answers.ts';
import type { Connection } from './connection.ts';
import { Failure } from './failure.ts';
import type { Terminal } from './terminal.ts';

export interface DriftOptions {
  readonly json?: boolean;
  readonly mesh?: string;
  readonly seen?: boolean;
}

/** @throws Failure 4 where something drifted; 1 where nothing did, but not all could be seen. */
export async function showDrift(
  connection: Connection,
  terminal: Terminal,
  service: string | undefined,
  options: DriftOptions,
): Promise<void> {
  const { json, mesh, seen } = options;
  const scope = { ...(mesh === undefined ? {} : { mesh }), ...(service === undefined ? {} : { service }) };
  const answer = seen
    ? await connection.get(`drift?${new URLSearchParams(scope)}`, driftSchema)
    : await connection.post('drift', scope, driftSchema);
  terminal.out(json ? JSON.stringify(answer, null, 2) : driftText(answer.drift));
  const drifted = answer.drift.filter(({ outcome }) => outcome === 'drift');
  const unknown = answer.drift.filter(({ outcome }) => outcome === 'unknown');
  if (drifted.length > 0) throw new Failure(`There is drift: ${placesOf(drifted)}.`, { exitCode: 4 });
  if (unknown.length > 0) throw new Failure(`It cannot be seen whether there is drift: ${placesOf(unknown)}.`);
}

const placesOf = (reports: readonly DriftReport[]): string =>
  reports.map(({ mesh, service, dataPlane }) => `${mesh}/${service} on ${dataPlane}`).join(', ');

const OUTCOMES = new Map([
  ['none', 'as decided'],
  ['drift', 'drifted'],
  ['settling', 'on its way'],
  ['unknown', 'not seen'],
]);

/** One line a service and data plane, what differs below it. */
function driftText(reports: readonly DriftReport[]): string {
  if (reports.length === 0) return 'Nothing is decided that could drift, or it was not looked for yet.';
  const rows = reports.map(({ mesh, service, dataPlane, outcome, because, texts }) => ({
    place: `${mesh}/${service}`,
    dataPlane,
    outcome: OUTCOMES.get(outcome) ?? outcome,
    notes: [...texts, ...(because === undefined ? [] : [because])],
  }));
  const place = Math.max('SERVICE'.length, ...rows.map((row) => row.place.length));
  const plane = Math.max('DATA PLANE'.length, ...rows.map((row) => row.dataPlane.length));
  const line = (a: string, b: string, c: string) => `${a.padEnd(place)}  ${b.padEnd(plane)}  ${c}`.trimEnd();
  return [
    line('SERVICE', 'DATA PLANE', 'SEEN'),
    ...rows.flatMap(({ notes, ...row }) => [line(row.place, row.dataPlane, row.outcome), ...notes.map((note) => line('', '', note))]),
  ].join('\n');
}
