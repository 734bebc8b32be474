/** What people read of the state and the journal: short aligned lines. Pure; times are told from `now`. */
import { DEADLINE_WORDS, span } from '../notifications/standing-words.ts';
import type { Commit, ServiceStatus } from './answers.ts';

/** A table of services; what needs a second look follows below its line. */
export function statusText(services: readonly ServiceStatus[], now: number): string {
  if (services.length === 0) return 'No service is in an adopted spec; apply one with `meshwright apply <folder>`.';
  const rows = services.map((status) => ({
    service: `${status.mesh}/${status.service}`,
    traffic: status.split.map(({ version, weight }) => `${version} ${weight} %`).join(', ') || 'no version yet',
    notes: notesOf(status, now),
  }));
  const widest = (texts: readonly string[]) => Math.max(...texts.map((text) => text.length));
  const service = widest(['SERVICE', ...rows.map((row) => row.service)]);
  const traffic = widest(['TRAFFIC', ...rows.map((row) => row.traffic)]);
  const line = (a: string, b: string, c: string) => `${a.padEnd(service)}  ${b.padEnd(traffic)}  ${c}`.trimEnd();
  return [
    line('SERVICE', 'TRAFFIC', 'ROLLOUT'),
    ...rows.flatMap(({ notes: [first = '', ...more], ...row }) => [
      line(row.service, row.traffic, first),
      ...more.map((note) => line('', '', note)),
    ]),
  ].join('\n');
}

function notesOf({ rollout, queued, rejected, drift, unobserved, shadow, pending }: ServiceStatus, now: number): string[] {
  const notes = [rollout ? rolloutNote(rollout, now) : '-'];
  if (rollout?.because) notes.push(`because: ${rollout.because}`);
  if (queued !== null) notes.push(`${queued} waits behind it`);
  for (const { dataPlane, since, differences, more } of drift) {
    notes.push(`${dataPlane} drifted ${span(now - since)} ago: ${differences[0] ?? ''}${othersText(differences.length - 1 + more)}`);
  }
  if (unobserved.length > 0) notes.push(`observed: no on ${unobserved.join(', ')} (what was applied counts)`);
  for (const { dataPlane, since, refused, callers, unseen } of shadow) {
    const by = callers.map((each) => `, ${each.refused} of ${each.caller}`).join('');
    notes.push(
      `in shadow on ${dataPlane} for ${span(now - since)}: would have refused ${refused}${by}${unseen === undefined ? '' : `; not seen now: ${unseen}`}`,
    );
  }
  for (const { what, since, error } of pending) notes.push(`owed for ${span(now - since)}: ${what}${error ? ` (${error})` : ''}`);
  for (const { release, at, because } of rejected) notes.push(`${release} taken back ${span(now - at)} ago: ${because}`);
  return notes;
}

const othersText = (count: number): string => (count > 0 ? ` (and ${count} more: meshwright drift)` : '');

function rolloutNote({ candidate, phase, step, steps, deadline }: NonNullable<ServiceStatus['rollout']>, now: number): string {
  const where = step > 0 ? `, step ${step} of ${steps}` : '';
  const then = deadline ? `; ${whatHappens(deadline.name)} in ${span(deadline.at - now)}` : '';
  return `${candidate} ${phase}${where}${then}`;
}

/** A deadline of a newer version is told by its name. */
function whatHappens(name: string): string {
  return new Map<string, string>(Object.entries(DEADLINE_WORDS)).get(name) ?? name;
}

/** Oldest first: when, who, what; why below it. */
export function journalText(commits: readonly Commit[]): string {
  if (commits.length === 0) return 'Nothing is recorded yet.';
  const actor = Math.max(...commits.map((commit) => commit.actor.length));
  return commits
    .flatMap((commit) => {
      const begin = `${instantText(commit.at)}  ${commit.actor.padEnd(actor)}  `;
      const why = commit.evidence?.summary ?? commit.evidence?.what;
      return [`${begin}${commit.message}`, ...(why ? [`${' '.repeat(begin.length)}${why}`] : [])];
    })
    .join('\n');
}

export const instantText = (at: number): string => new Date(at).toISOString().replace('T', ' ').replace(/\..*/, ' UTC');
