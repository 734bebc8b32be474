/**
 * What runs in the browser: each second the overview is asked for, turned into a tree of elements (pure), and the page is
 * patched where it differs, so that focus, selection and screen readers are left in peace. The page is made of the source text of
 * these functions (`page.ts`): they use each other and what they are given, nothing imported and no constant of this module.
 */
import type { Overview } from '../status.ts';
import type { Drawn, Words } from './drawing.ts';

/** The part of the DOM that is used; a test may bring its own. */
export interface PageElement {
  readonly tagName: string;
  textContent: string | null;
  readonly children: ArrayLike<PageElement>;
  readonly lastElementChild: PageElement | null;
  getAttribute(name: string): string | null;
  setAttribute(name: string, value: string): void;
  appendChild(child: PageElement): unknown;
  replaceChild(child: PageElement, old: PageElement): unknown;
  remove(): void;
  scrollIntoView(): void;
}
export interface PageDocument {
  readonly hidden: boolean;
  getElementById(id: string): PageElement | null;
  createElementNS(namespace: string, tag: string): PageElement;
}

export interface Polling {
  readonly page: PageDocument;
  readonly words: Words;
  /** The parsed overview; rejects with a sentence when there is none. */
  readonly ask: () => Promise<Overview & { readonly now: number }>;
  /** Of `trust-view.ts`. */
  readonly drawTrusts: (overview: Overview & { readonly now: number }, words: Words) => Drawn;
  /** Calls back once, after a second. */
  readonly later: (next: () => void) => void;
  /** The service a link to the page names: `#mesh/service`. */
  readonly anchor: string;
}

/** Never ends; resolves after the first look. */
export async function poll(polling: Polling): Promise<void> {
  const { page, ask, words, drawTrusts, later, anchor } = polling;
  if (!page.hidden) {
    try {
      const overview = await ask();
      const first = page.getElementById('services')?.getAttribute('data-seen') === null;
      put(page, 'services', drawServices(overview, words));
      put(page, 'trust', drawTrusts(overview, words));
      put(page, 'journal', drawJournal(overview, words));
      put(page, 'connection', element('p', { class: 'live' }, 'Live'));
      // Not beside the word in the live region: it would be read out each second.
      put(page, 'as-of', element('p', { class: 'time' }, `as of ${clock(overview.now)}`));
      if (first) {
        page.getElementById('services')?.setAttribute('data-seen', 'true');
        if (anchor.length > 1) page.getElementById(anchor.slice(1))?.scrollIntoView();
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      put(
        page,
        'connection',
        element('p', { class: 'lost' }, `Connection lost: ${why} What you see may be old; trying again each second.`),
      );
    }
  }
  later(() => poll(polling));
}

/** Makes the element with this id hold just this. */
function put(page: PageDocument, id: string, drawn: Drawn): void {
  const place = page.getElementById(id);
  if (place) patch(page, place, element('', {}, [drawn]));
}

function patch(page: PageDocument, there: PageElement, wanted: Drawn): void {
  for (const [name, value] of Object.entries(wanted.attributes)) {
    if (there.getAttribute(name) !== value) there.setAttribute(name, value);
  }
  const { content } = wanted;
  if (typeof content === 'string') {
    if (there.textContent !== content) there.textContent = content;
    return;
  }
  content.forEach((child, index) => {
    const old = there.children[index];
    if (old && old.tagName.toLowerCase() === child.tag && (old.getAttribute('class') ?? '') === (child.attributes.class ?? '')) {
      patch(page, old, child);
      return;
    }
    const vector = child.tag === 'svg' || child.tag === 'rect';
    const fresh = page.createElementNS(vector ? 'http://www.w3.org/2000/svg' : 'http://www.w3.org/1999/xhtml', child.tag);
    patch(page, fresh, child);
    if (old) there.replaceChild(fresh, old);
    else there.appendChild(fresh);
  });
  while (there.children.length > content.length) there.lastElementChild?.remove();
}

function element(tag: string, attributes: Drawn['attributes'], content: Drawn['content']): Drawn {
  return { tag, attributes, content };
}

function drawServices({ services, now }: Overview & { readonly now: number }, words: Words): Drawn {
  if (services.length === 0) {
    return element('p', { class: 'empty' }, 'No spec is adopted yet. Apply one with: meshwright apply <folder>');
  }
  return element(
    'div',
    { class: 'cards' },
    services.map((status) => drawService(status, now, words)),
  );
}

function drawService(status: Overview['services'][number], now: number, words: Words): Drawn {
  const { mesh, service, stable, split, rollout, queued, rejected, drift, unobserved, shadow, pending } = status;
  const notes: string[] = [];
  if (!rollout) notes.push(stable === null ? 'No version is deployed yet.' : `${stable} is stable; nothing is being rolled out.`);
  if (queued !== null) notes.push(`${queued} waits behind it.`);
  for (const { dataPlane, since, differences, more } of drift) {
    const others = more > 0 ? ` And ${more} more.` : '';
    notes.push(`${dataPlane} drifted ${words.span(now - since)} ago: ${differences.join(' ')}${others}`);
  }
  if (unobserved.length > 0) notes.push(`Observed: no on ${unobserved.join(', ')}; what was applied counts.`);
  for (const { dataPlane, since, refused, callers, unseen } of shadow) {
    const by = callers.map((each) => `, ${each.refused} of ${each.caller}`).join('');
    const blind = unseen === undefined ? '' : ` It is not seen now: ${unseen}`;
    notes.push(`In shadow on ${dataPlane} for ${words.span(now - since)}: ${refused} requests would have been refused${by}.${blind}`);
  }
  for (const owed of pending) {
    const error = owed.error === undefined ? '' : ` (${owed.error})`;
    notes.push(`Owed for ${words.span(now - owed.since)}: ${owed.what}${error}`);
  }
  for (const { release, at, because } of rejected) notes.push(`${release} was taken back ${words.span(now - at)} ago: ${because}`);
  return element('section', { class: 'service', id: `${mesh}/${service}`, 'aria-label': `${service} in ${mesh}`, tabindex: '-1' }, [
    element('h2', { class: 'name' }, [element('span', { class: 'who' }, service), element('small', { class: 'mesh' }, ` in ${mesh}`)]),
    element(
      'ul',
      { class: 'split' },
      split.map(({ version, weight }) => drawShare(version, weight, version === rollout?.candidate ? 'candidate' : 'stable')),
    ),
    ...(rollout ? [drawRollout(rollout, now, words)] : []),
    element(
      'ul',
      { class: 'notes' },
      notes.map((note) => element('li', { class: 'note' }, note)),
    ),
  ]);
}

function drawShare(version: string, weight: number, role: 'candidate' | 'stable'): Drawn {
  const bar = element('rect', { class: 'fill', width: String(weight), height: '1' }, []);
  return element('li', { class: `share ${role}` }, [
    element('span', { class: 'version' }, version),
    element('svg', { class: 'bar', viewBox: '0 0 100 1', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, [bar]),
    element('span', { class: 'weight' }, `${weight} %`),
  ]);
}

function drawRollout(rollout: NonNullable<Overview['services'][number]['rollout']>, now: number, words: Words): Drawn {
  const { candidate, phase, step, steps, deadline, because } = rollout;
  const where = step > 0 ? `, step ${step} of ${steps}` : '';
  const then = deadline ? `${words.deadlines[deadline.name] ?? deadline.name} in ${words.span(deadline.at - now)}` : '';
  const alarming = phase === 'returning' || phase === 'blocked' || because !== null;
  return element('p', { class: alarming ? 'rollout alarming' : 'rollout' }, [
    element('strong', { class: 'phase' }, `${candidate} is ${phase}${where}`),
    element('span', { class: 'then' }, then === '' ? '' : `, ${then}`),
    element('span', { class: 'because' }, because ?? ''),
  ]);
}

function drawJournal({ journal, now }: Overview & { readonly now: number }, words: Words): Drawn {
  const rows = journal.map((commit) => {
    const { evidence } = commit;
    const why = evidence?.summary ?? evidence?.what ?? evidence?.reason ?? '';
    return element('tr', { class: 'commit' }, [
      element('td', { class: 'when', title: new Date(commit.at).toISOString() }, `${words.span(now - commit.at)} ago`),
      element('td', { class: 'stream' }, commit.stream.replace(/^(service|mesh)\//, '').replace(/^trust\//, 'certificates of ')),
      element('td', { class: 'actor' }, commit.actor),
      element('td', { class: 'message' }, commit.message),
      element('td', { class: 'why' }, String(why)),
    ]);
  });
  const heads = ['When', 'Where', 'Who', 'What', 'Why'].map((name) => element('th', { class: 'head', scope: 'col' }, name));
  return element('table', { class: 'commits' }, [
    element('thead', { class: 'heads' }, [element('tr', { class: 'heads' }, heads)]),
    element('tbody', { class: 'rows' }, rows),
  ]);
}

function clock(instant: number): string {
  return `${new Date(instant).toISOString().slice(11, 19)} UTC`;
}

/** In the order of the file; the page needs them all. */
export const BROWSER_FUNCTIONS: readonly { (...parts: never[]): unknown; readonly name: string }[] = [
  poll,
  put,
  patch,
  element,
  drawServices,
  drawService,
  drawShare,
  drawRollout,
  drawJournal,
  clock,
];
