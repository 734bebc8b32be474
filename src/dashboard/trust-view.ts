/**
 * Certificates on the page: the phases of a rotation, and whom each workload was seen to trust and what it presents. Runs in the browser
 * as the functions of `browser.ts` do: they use each other and what they are given, nothing imported and no constant of this module.
 */
import type { Overview } from '../status.ts';
import type { Drawn, Words } from './drawing.ts';

type Trust = Overview['trust'][number];

export function drawTrusts({ trust, now }: Pick<Overview, 'trust'> & { readonly now: number }, words: Words): Drawn {
  return part(
    'div',
    { class: 'trusts' },
    trust.map((each) => drawTrust(each, now, words)),
  );
}

function drawTrust({ mesh, rotation, ended, inventory, pending }: Trust, now: number, words: Words): Drawn {
  const notes: string[] = [];
  if (inventory.certificates.length === 0) notes.push('The first root is being made.');
  if (rotation?.heldBy !== undefined) notes.push(`Held: ${rotation.heldBy}`);
  if (rotation?.mustLeaveBy !== undefined) notes.push(`It must go on within ${words.span(rotation.mustLeaveBy - now)}.`);
  const last = ended[0];
  if (!rotation && last)
    notes.push(
      `The last rotation (${last.id}) ${last.outcome === 'rotated' ? 'was complete' : 'went back'} ${words.span(now - last.at)} ago.`,
    );
  for (const { dataPlane, because } of inventory.unseen) notes.push(`${dataPlane} is not seen: ${because}`);
  for (const { what, since, error } of pending) {
    if (error !== undefined) notes.push(`Owed for ${words.span(now - since)}: ${what} (${error})`);
  }
  const present = inventory.workloads.filter(({ left }) => !left);
  return part('section', { class: 'service trust', 'aria-label': `Certificates of ${mesh}` }, [
    part('h2', { class: 'name' }, [part('span', { class: 'who' }, `Certificates of ${mesh}`)]),
    drawRoots(inventory.certificates, now, words),
    ...(rotation ? [drawPhases(rotation.phase.name)] : []),
    part(
      'ul',
      { class: 'workloads' },
      present.map((workload) => drawWorkload(workload, now, words)),
    ),
    part(
      'ul',
      { class: 'notes' },
      notes.map((note) => part('li', { class: 'note' }, note)),
    ),
  ]);
}

function drawRoots(certificates: Trust['inventory']['certificates'], now: number, words: Words): Drawn {
  const own = certificates.filter(({ kind }) => kind !== 'serving');
  return part(
    'ul',
    { class: 'roots' },
    own.map(({ kind, role, fingerprint, notAfter, standing }) =>
      part('li', { class: standing === 'good' ? 'root' : 'root alarming' }, [
        part('span', { class: 'which' }, `${role === 'next' ? 'new' : 'current'} ${kind}`),
        part('code', { class: 'fingerprint' }, (fingerprint ?? '').slice(0, 16)),
        part(
          'span',
          { class: 'phase', title: new Date(notAfter).toISOString() },
          notAfter > now ? `ends in ${words.span(notAfter - now)}` : 'has ended',
        ),
      ]),
    ),
  );
}

function drawPhases(phase: string): Drawn {
  const forward = ['preparing', 'distributing', 'issuing', 'soaking', 'pruned', 'retired'];
  const back = ['restoring', 'returning', 'dropping', 'discarding'];
  const way = back.includes(phase) ? back : forward;
  const at = way.indexOf(phase === 'prepared' ? 'preparing' : phase);
  return part(
    'ol',
    { class: 'phases' },
    way.map((name, index) => part('li', { class: index < at ? 'done' : index === at ? 'under-way' : 'to-come' }, name)),
  );
}

function drawWorkload(workload: Trust['inventory']['workloads'][number], now: number, words: Words): Drawn {
  const { id, trusts, presents, seenAt, trouble } = workload;
  const roots = trusts.map(({ role }) => (role === 'next' ? 'new' : role)).join(' + ');
  const leaf = presents
    ? `leaf under ${presents.under === 'next' ? 'new' : presents.under}, ${words.span(presents.notAfter - now)} left`
    : 'no leaf';
  const seen = seenAt === 0 ? 'never seen' : `seen ${words.span(now - seenAt)} ago`;
  return part('li', { class: trouble === null ? 'workload' : 'workload alarming' }, [
    part('span', { class: 'version' }, id),
    part('span', { class: 'trusts' }, roots === '' ? 'trusts nothing' : `trusts ${roots}`),
    part('span', { class: 'leaf' }, leaf),
    part('span', { class: 'seen' }, trouble ?? seen),
  ]);
}

function part(tag: string, attributes: Drawn['attributes'], content: Drawn['content']): Drawn {
  return { tag, attributes, content };
}

/** In the order of the file; the page needs them all. */
export const TRUST_FUNCTIONS: readonly { (...parts: never[]): unknown; readonly name: string }[] = [
  drawTrusts,
  drawTrust,
  drawRoots,
  drawPhases,
  drawWorkload,
  part,
];
