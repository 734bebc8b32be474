/** One notice of each thing people are told, as the rollouts and the mesh's stream make them; and arbitrary ones. */
import fc from 'fast-check';
import type { Notice } from '../../src/notifications/channel.ts';
import type { Topic } from '../../src/notifications/words.ts';

const at = Date.parse('2026-11-22T14:03:20.500Z');
const minutes = (count: number) => at + count * 60_000;

const shifting = { version: 'v2', stable: 'v1', phase: 'shifting', promoted: false, steps: 3, weight: 10, step: 1, holdMs: 300_000 };

const trust = { trustDomain: 'shop.example', cause: 'due' };

/** By name of the golden. */
export const SAMPLES: Readonly<Record<string, { readonly topic: Topic; readonly data: Notice['data'] }>> = {
  established: { topic: 'established', data: { version: 'v1', weight: 100, stable: 'v1', phase: null, until: null, step: 0, steps: 0 } },
  started: { topic: 'started', data: { ...shifting, nextWeight: 50, until: minutes(10) } },
  delayed: {
    topic: 'delayed',
    data: { ...shifting, phase: 'waiting', weight: 0, step: 0, holdMs: null, until: minutes(15), what: 'edge' },
  },
  'delayed-by-alert': {
    topic: 'delayed',
    data: { ...shifting, phase: 'waiting', weight: 0, step: 0, text: 'catalog 5xx fired: requests/failed was 31.', until: minutes(15) },
  },
  step: { topic: 'step', data: { ...shifting, weight: 50, step: 2, nextWeight: 100, until: minutes(10) } },
  'step-last': { topic: 'step', data: { ...shifting, weight: 100, step: 3, holdMs: 0, nextWeight: null, until: minutes(10) } },
  'step-promoted': { topic: 'step', data: { ...shifting, weight: 100, step: 3, nextWeight: null, promoted: true, until: minutes(10) } },
  held: { topic: 'held', data: { ...shifting, phase: 'holding', text: 'The alert catalog 5xx stands.', until: minutes(30) } },
  returned: {
    topic: 'returned',
    data: { ...shifting, phase: 'returning', weight: 0, text: 'The alert catalog 5xx fired: requests/failed was 31', until: minutes(2) },
  },
  blocked: { topic: 'blocked', data: { ...shifting, phase: 'blocked', text: 'v2 was aborted.', until: minutes(600) } },
  succeeded: { topic: 'succeeded', data: { version: 'v2', weight: 100, stable: 'v2', phase: null, until: null, step: 0, steps: 0 } },
  abandoned: { topic: 'abandoned', data: { ...shifting, phase: 'waiting', weight: 0, step: 0, text: 'v2 could not begin in time.' } },
  'stuck-going-up': { topic: 'stuck', data: { ...shifting, text: 'vms refused it: no such cluster', until: minutes(10) } },
  'stuck-going-back': {
    topic: 'stuck',
    data: { ...shifting, phase: 'returning', weight: 0, text: 'Not yet seen to serve stable alone: vms.', until: minutes(4) },
  },
  'stuck-blocked': {
    topic: 'stuck',
    data: { ...shifting, phase: 'blocked', text: 'vms refused it: no such cluster', until: minutes(600) },
  },
  'kept-back': { topic: 'kept-back', data: { version: 'v1', weight: 100, stable: 'v1', what: 'west' } },
  alert: { topic: 'alert', data: { version: 'v1', weight: 100, stable: 'v1', text: 'catalog 5xx fired: requests/failed was 31.' } },
  drifted: {
    topic: 'drifted',
    data: {
      version: 'v1',
      weight: 100,
      stable: 'v1',
      what: 'west',
      text: 'VirtualService shop/catalog is gone; who deleted it is not kept. What nobody else owns is put back.',
    },
  },
  'drift-gone': { topic: 'drift-gone', data: { version: 'v1', weight: 100, stable: 'v1', what: 'west' } },
  unmatched: { topic: 'unmatched', data: { what: 'The alert cpu', text: 'cpu fired: Average of Percentage CPU was 97.' } },
  'silent-endpoints': {
    topic: 'silent-endpoints',
    data: { what: 'catalog on edge', text: 'The last endpoint of v1 has let its lease run out.' },
  },
  'trust-established': { topic: 'trust-established', data: trust },
  'rotation-begun': { topic: 'rotation-begun', data: { ...trust, phase: 'preparing' } },
  'rotation-of-an-expired-root': { topic: 'rotation-begun', data: { ...trust, phase: 'preparing', cause: 'expired' } },
  'rotation-prepared': { topic: 'rotation-prepared', data: { ...trust, phase: 'prepared', cause: 'new-version' } },
  'rotation-phase': { topic: 'rotation-phase', data: { ...trust, phase: 'issuing' } },
  'rotation-held': {
    topic: 'rotation-held',
    data: { ...trust, phase: 'distributing', text: 'All are ready; issuing waits for somebody other than kim to approve it.' },
  },
  'rotation-overdue': { topic: 'rotation-overdue', data: { ...trust, phase: 'issuing', text: '1 of 6 are behind: edge/web-1.' } },
  'rotation-aborted': { topic: 'rotation-aborted', data: { ...trust, phase: 'returning', text: 'a client pins the old root' } },
  'rotation-completed': { topic: 'rotation-completed', data: { ...trust, phase: null } },
  'certificates-expiring': {
    topic: 'certificates-expiring',
    data: {
      ...trust,
      phase: null,
      cause: null,
      standing: 'due',
      until: minutes(60 * 24 * 40),
      text: 'The serving certificate shop-web is to be replaced; it ends at 2026-12-16T09:00:00.000Z.',
    },
  },
  'certificates-ended': {
    topic: 'certificates-expiring',
    data: { ...trust, phase: null, cause: null, standing: 'expired', until: null, text: 'The data plane edge could not be looked at.' },
  },
};

/** They speak of a mesh and of none of its services. */
/** Names and topics of what is about no service. */
export const MESH_TOPICS: ReadonlySet<string> = new Set(
  Object.entries(SAMPLES).flatMap(([name, { topic }]) =>
    /^(unmatched|silent-endpoints|trust-|rotation-|certificates-)/.test(topic) ? [name, topic] : [],
  ),
);

export function sampleNotice(name: string): Notice {
  const sample = SAMPLES[name];
  if (!sample) throw new Error(`There is no sample notice ${name}.`);
  const subject = MESH_TOPICS.has(sample.topic) ? {} : { service: 'catalog' };
  return { id: `shop/${'service' in subject ? 'catalog' : ''}/7`, mesh: 'shop', ...subject, ...sample, at };
}

/** Texts of any length and of every sort of character, lone surrogates, Markdown and card functions among them. */
const longText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20_000, size: 'max' }),
  fc.string({
    unit: fc.constantFrom('\\', '"', '\u0000', '\ud800', '\uffff', '漢', '😀', '{{', '\u202e', '**', '[a](b)'),
    maxLength: 30_000,
    size: 'max',
  }),
);
const scalar = fc.oneof(longText, fc.double(), fc.boolean(), fc.constant(null));
const topics = fc.constantFrom(...new Set(Object.values(SAMPLES).map(({ topic }) => topic)));

export const anyNotice: fc.Arbitrary<Notice> = fc.record(
  {
    id: longText,
    mesh: longText,
    service: longText,
    topic: fc.oneof(topics, longText),
    at: fc.integer({ min: 0, max: 8.64e15 }),
    data: fc.dictionary(
      fc.constantFrom('version', 'text', 'what', 'until', 'weight', 'stable', 'phase', 'promoted', 'step', 'steps', 'holdMs', 'nextWeight'),
      scalar,
    ),
  },
  { requiredKeys: ['id', 'mesh', 'topic', 'at', 'data'] },
);
