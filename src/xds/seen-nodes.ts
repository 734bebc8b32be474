/** What this server saw of each node of one data plane, and whether all that are connected serve alike. Pure bookkeeping. */
import type { NodeObservation } from '../reconcile/observations.ts';
import type { NodeEvent } from './ads-server.ts';

type Seen = Omit<NodeObservation, 'via'>;

/** What a stream says, with the roots that its secrets hold. */
export type SeenEvent =
  | Exclude<NodeEvent, { fact: 'connected' | 'offered' | 'trusts' | 'distrusts' }>
  | { readonly fact: 'connected'; readonly identity: boolean }
  | { readonly fact: 'offered' | 'trusts'; readonly roots: readonly string[] }
  | { readonly fact: 'distrusts'; readonly roots: readonly string[]; readonly message: string };

/** A node that left this long ago is forgotten here; its observation in the store ends by itself. */
const REMEMBERED_MS = 15 * 60_000;
const LONGEST_MESSAGE = 1_000;

type Bundle = NonNullable<NodeObservation['bundle']>;
const untold: Bundle = { offered: [], accepted: [] };

export class SeenNodes {
  readonly #nodes = new Map<string, Seen>();

  /** Answers with what is now to be told of the node; nothing when that is as it was. `now` is epoch ms. */
  take(node: string, event: SeenEvent, now: number): Seen | undefined {
    const before = this.#nodes.get(node) ?? { node, served: 0 };
    const after = next(before, event, now);
    if (after === before && this.#nodes.has(node)) return undefined;
    this.#nodes.set(node, after);
    return after;
  }

  /** The newest sequence that every connected node serves; 0 without any. */
  complete(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const { served, goneAt } of this.#nodes.values()) if (goneAt === undefined) lowest = Math.min(lowest, served);
    return Number.isFinite(lowest) ? lowest : 0;
  }

  /** What is to be told of every node that is here, again: what was told before ends some day. */
  connected(): readonly Seen[] {
    return [...this.#nodes.values()].filter(({ goneAt }) => goneAt === undefined);
  }

  knows(node: string): boolean {
    return this.#nodes.has(node);
  }

  forgetGone(now: number): void {
    for (const { node, goneAt } of this.#nodes.values()) {
      if (goneAt !== undefined && now - goneAt > REMEMBERED_MS) this.#nodes.delete(node);
    }
  }
}

function next(before: Seen, event: SeenEvent, now: number): Seen {
  const { goneAt: _gone, ...here } = before;
  switch (event.fact) {
    case 'connected': {
      const { bundle = untold, ...bare } = here;
      return event.identity ? { ...bare, bundle } : bare;
    }
    case 'offered':
    case 'trusts':
    case 'distrusts':
      return { ...here, bundle: nextBundle(here.bundle ?? untold, event) };
    case 'disconnected':
      return { ...here, goneAt: now };
    case 'served': {
      const { rejected, without = [], ...clean } = here;
      const settled = event.without.length === 0;
      if (event.sequence <= before.served && same(event.without, without) && !(settled && rejected)) return before;
      const after = { ...clean, served: Math.max(before.served, event.sequence) };
      return settled ? after : { ...after, without: [...event.without], ...(rejected ? { rejected } : {}) };
    }
    case 'rejected':
      // Said by `distrusts`: what services are served is another matter.
      if (event.type === 'secret') return before;
      return { ...here, rejected: { sequence: event.sequence, message: kept(event.message) } };
    case 'acked':
      return before;
  }
}

function nextBundle(
  { offered, accepted, refused }: Bundle,
  event: Extract<SeenEvent, { fact: 'offered' | 'trusts' | 'distrusts' }>,
): Bundle {
  const roots = [...event.roots];
  switch (event.fact) {
    case 'offered':
      return { offered: [...new Set([...roots, ...accepted])], accepted, ...(refused ? { refused } : {}) };
    case 'trusts':
      return { offered, accepted: roots, ...(refused && !same(refused.roots, roots) ? { refused } : {}) };
    case 'distrusts':
      return { offered, accepted, refused: { roots, message: kept(event.message) } };
  }
}

const kept = (message: string): string => message.slice(0, LONGEST_MESSAGE).toWellFormed();

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, index) => name === other[index]);
}
