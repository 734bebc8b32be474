/**
 * The page's own code: asks /overview each second and shows it. Data becomes text nodes, never markup. It shares types with
 * the server only, and asks again when the connection was lost.
 */
import type { ServiceStatus } from '../status.ts';

interface JournalEntry {
  readonly at: number;
  readonly stream: string;
  readonly actor: string;
  readonly message: string;
  readonly events: readonly { readonly type: string }[];
}

interface Overview {
  readonly now: number;
  readonly services: readonly ServiceStatus[];
  readonly journal: readonly JournalEntry[];
}

const ASK_EVERY_MS = 1_000;
const GIVE_UP_MS = 5_000;

function place(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`The page has no ${id}.`);
  return element;
}

const connection = place('connection');
const services = place('services');
const journal = place('journal');

function make(name: string, text: string, className = ''): HTMLElement {
  const element = document.createElement(name);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 90) return `${seconds} s`;
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}

function shareRow(version: string, weight: number, stable: boolean): HTMLElement {
  const row = make('div', '', stable ? 'share stable' : 'share');
  const bar = document.createElement('progress');
  bar.max = 100;
  bar.value = weight;
  bar.setAttribute('aria-label', `${version} has ${weight} %`);
  row.append(make('b', version), bar, make('span', `${weight} %`));
  return row;
}

function phaseText({ rollout }: ServiceStatus, now: number): string {
  if (!rollout) return 'Nothing is rolling out.';
  const step = rollout.step > 0 ? `, step ${rollout.step} of ${rollout.steps}` : '';
  const end = rollout.deadline ? `; ${rollout.deadline.name} ends in ${span(rollout.deadline.at - now)}` : '';
  return `${rollout.candidate} is ${rollout.phase}${step}${end}${rollout.because ? `: ${rollout.because}` : ''}`;
}

function card(service: ServiceStatus, now: number): HTMLElement {
  const element = make('article', '', 'service');
  element.append(make('h3', `${service.mesh} / ${service.service}`));
  for (const { version, weight } of service.split) element.append(shareRow(version, weight, version === service.stable));
  element.append(make('p', phaseText(service, now)));
  if (service.queued) element.append(make('p', `${service.queued} waits.`, 'soft'));
  for (const { release, because } of service.rejected) element.append(make('p', `${release} was taken back: ${because}`, 'soft'));
  for (const { what, error } of service.pending) element.append(make('p', error ? `Owed: ${what} (${error})` : `Owed: ${what}`, 'warn'));
  return element;
}

function line({ at, stream, actor, message, events }: JournalEntry): HTMLElement {
  const row = document.createElement('tr');
  const when = document.createElement('time');
  when.dateTime = new Date(at).toISOString();
  when.textContent = new Date(at).toLocaleTimeString();
  const cell = document.createElement('td');
  cell.append(when);
  const what = make('td', message);
  what.append(make('div', events.map(({ type }) => type).join(', '), 'soft'));
  row.append(cell, make('td', stream.split('/').slice(1).join(' / ')), what, make('td', actor));
  return row;
}

function show(overview: Overview): void {
  const none = make('p', 'No spec is adopted yet: `npx meshwright apply <folder>` adopts one.', 'soft');
  services.replaceChildren(...(overview.services.length > 0 ? overview.services.map((service) => card(service, overview.now)) : [none]));
  journal.replaceChildren(...overview.journal.map(line));
}

/** On Azure the key in the page's own address opens its data too. */
const address = `/overview${location.search}`;

async function ask(): Promise<void> {
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(GIVE_UP_MS) });
    if (!response.ok) throw new Error(response.status === 401 ? 'the key is missing from the address' : `it answered ${response.status}`);
    const overview: Overview = await response.json();
    show(overview);
    connection.textContent = `as of ${new Date(overview.now).toLocaleTimeString()}`;
    connection.className = '';
  } catch (error) {
    connection.textContent = `No answer from meshwright (${error instanceof Error ? error.message : error}); what is shown may be old.`;
    connection.className = 'lost';
  }
  setTimeout(ask, ASK_EVERY_MS);
}

void ask();
