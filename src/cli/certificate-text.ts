/** Certificates and rotations as lines of text. Pure. */
import { span } from '../notifications/standing-words.ts';
import type { CertificateLine, RotationPlanAnswer, TrustStatus, WorkloadLine } from './certificate-answers.ts';
import { instantText } from './status-text.ts';

const SHORT = 12;
const NAMED = 20;

export function certificatesText({ now, mesh, rotation, inventory, pending }: TrustStatus): string {
  const { trustDomain, certificates, workloads, unseen } = inventory;
  const lines = [`${mesh}: trust domain ${trustDomain ?? 'none'}`];
  for (const each of certificates) lines.push(`  ${certificateText(each, now)}`);
  if (certificates.length === 0) lines.push('  The first root is being made.');
  lines.push(...(rotation ? rotationLines(rotation, now) : []));
  const present = workloads.filter(({ left }) => !left);
  if (present.length > 0) lines.push(`${present.length} workloads`);
  for (const each of present.slice(0, NAMED)) lines.push(`  ${workloadText(each, now)}`);
  if (present.length > NAMED) lines.push(`  … and ${present.length - NAMED} more; see --json`);
  for (const { dataPlane, because } of unseen) lines.push(`  ${dataPlane} is not seen: ${because}`);
  for (const { what, since, error } of pending.filter((owed) => owed.error !== undefined)) {
    lines.push(`  owed for ${span(now - since)}: ${what}: ${error}`);
  }
  return lines.join('\n');
}

function certificateText({ kind, role, name, fingerprint, notAfter, dueAt, standing, imported }: CertificateLine, now: number): string {
  const which = kind === 'serving' ? name : `${role} ${kind} ${fingerprint?.slice(0, SHORT)}`;
  const left = notAfter > now ? `ends in ${span(notAfter - now)}` : `ended ${span(now - notAfter)} ago`;
  const due = dueAt === null ? '' : dueAt > now ? `, replaced in ${span(dueAt - now)}` : ', due';
  return `${which.padEnd(28)} ${standing.padEnd(8)} ${left}${due}${imported ? '; its key has been outside of the vault' : ''}`;
}

function workloadText({ id, identity, trusts, presents, seenAt, trouble }: WorkloadLine, now: number): string {
  const roots = trusts.length === 0 ? 'nothing' : trusts.map(({ role }) => role).join(' + ');
  const leaf = presents ? `a leaf under ${presents.under} for ${span(presents.notAfter - now)}` : 'no leaf';
  const name = identity?.replace(/^spiffe:\/\/[^/]+\/ns\//, '').replace('/sa/', '/') ?? 'unknown';
  const seen = seenAt === 0 ? 'never seen' : `seen ${span(now - seenAt)} ago`;
  return `${id.padEnd(24)} ${name.padEnd(20)} trusts ${roots}, presents ${leaf}, ${seen}${trouble === null ? '' : `; ${trouble}`}`;
}

/** Who is where the phase needs it, in one line. */
export function phaseText({ now, rotation, inventory, pending }: TrustStatus): string {
  if (!rotation) return 'No rotation is under way.';
  const { phase, heldBy } = rotation;
  const counted = inventory.workloads.filter(({ left }) => !left);
  const both = counted.filter(({ trusts }) => trusts.some(({ role }) => role === 'current') && trusts.some(({ role }) => role === 'next'));
  const onlyNew = counted.filter(
    ({ trusts }) => trusts.some(({ role }) => role === 'next') && !trusts.some(({ role }) => role === 'current'),
  );
  const onNew = counted.filter(({ presents }) => presents?.under === 'next');
  const soak = phase.until !== undefined && phase.until > now ? `, at least ${span(phase.until - now)} more` : '';
  const counts = `${counted.length} workloads: ${both.length} trust both roots, ${onlyNew.length} the new one alone, ${onNew.length} present leafs under it`;
  const held = heldBy === undefined ? '' : `. Held: ${heldBy}`;
  const owed = pending.flatMap(({ what, error }) => (error === undefined ? [] : [`. ${what} is tried again: ${error}`]));
  return `${phase.name.padEnd(13)} ${counts}${soak}${held}${owed.join('')}`;
}

function rotationLines(rotation: NonNullable<TrustStatus['rotation']>, now: number): readonly string[] {
  const { id, cause, startedAt, startedBy, phase, heldBy, mustLeaveBy, aborted } = rotation;
  const way = aborted ? `goes back, as ${aborted.by} asked` : `began ${span(now - startedAt)} ago by ${startedBy} (${cause})`;
  const by = mustLeaveBy === undefined ? '' : `; must go on by ${instantText(mustLeaveBy)}`;
  return [`rotation ${id} ${way}: ${phase.name} for ${span(now - phase.since)}${by}${heldBy === undefined ? '' : `; held: ${heldBy}`}`];
}

export function planText({ phases, notReady, breaks, unseen, expectedMs, mustStartBy, outage }: RotationPlanAnswer): string {
  const lines = [
    `A rotation would take about ${span(expectedMs)}; begun after ${instantText(mustStartBy)} it would not end before the root does.`,
  ];
  if (outage) lines.push('The root has ended: nobody can talk until all have the new one.');
  for (const { phase, writes, leftWhen, approval, expectedMs: takes } of phases) {
    lines.push(`${phase} (about ${span(takes)}): ${leftWhen}${approval === null ? '' : ` Then somebody else must approve ${approval}.`}`);
    for (const { target, operation, dataPlane, roots, signer, root } of writes) {
      lines.push(target === 'vault' ? `  vault: ${operation} (${root})` : `  ${dataPlane}: trust ${roots?.join(' + ')}, ${signer} signs`);
    }
  }
  for (const { id, because } of breaks) lines.push(`breaks: ${id}: ${because}`);
  if (breaks.length === 0) for (const { id, because } of notReady) lines.push(`not ready: ${id}: ${because}`);
  for (const { dataPlane, because } of unseen) lines.push(`not seen: ${dataPlane}: ${because}`);
  return lines.join('\n');
}
