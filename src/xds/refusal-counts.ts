/**
 * How often which caller would have been refused by which node, on one data plane, since this server began to count for the service.
 * Pure bookkeeping, and bounded: whoever comes when it is full is counted among others, so that no sum is ever too small.
 */
import type { RefusalsObservation } from '../reconcile/observations.ts';
import { MOST_CALLERS, type Refusals } from './refusal-entries.ts';

/** Of one service. */
export const MOST_NODES = 2_000;
/** Of those nodes that came later. */
export const OTHER_NODES = 'other Envoys';

type Counted = Omit<RefusalsObservation, 'via'>;

interface Node {
  refused: number;
  readonly callers: Map<string, number>;
  /** As it was written last. */
  written: number;
}

interface Service {
  readonly since: number;
  readonly callers: Set<string>;
  readonly nodes: Map<string, Node>;
}

export class RefusalCounts {
  readonly #services = new Map<string, Service>();

  /** `now` is epoch ms. */
  take(service: string, node: string, { requests, callers }: Refusals, now: number): void {
    const kept = this.#services.get(service) ?? { since: now, callers: new Set(), nodes: new Map() };
    this.#services.set(service, kept);
    const name = kept.nodes.has(node) || kept.nodes.size < MOST_NODES ? node : OTHER_NODES;
    const counted = kept.nodes.get(name) ?? { refused: 0, callers: new Map(), written: 0 };
    kept.nodes.set(name, counted);
    counted.refused += requests;
    for (const [caller, requests] of callers) {
      if (kept.callers.size < MOST_CALLERS) kept.callers.add(caller);
      if (kept.callers.has(caller)) counted.callers.set(caller, (counted.callers.get(caller) ?? 0) + requests);
    }
  }

  /** What has changed since it was written. */
  unwritten(): readonly Counted[] {
    return [...this.#services].flatMap(([service, { since, nodes }]) =>
      [...nodes]
        .filter(([, { refused, written }]) => refused !== written)
        .map(([node, { refused, callers }]) => {
          return { node, service, since, refused, callers: [...callers].map(([caller, refused]) => ({ caller, refused })) };
        }),
    );
  }

  written(counted: readonly Counted[]): void {
    for (const { service, since, node, refused } of counted) {
      const kept = this.#services.get(service);
      const known = kept?.since === since ? kept.nodes.get(node) : undefined;
      if (known) known.written = refused;
    }
  }

  /** All of it is unwritten again: what was written ends some day. */
  tellAgain(): void {
    for (const { nodes } of this.#services.values()) for (const node of nodes.values()) node.written = 0;
  }

  /** Of a service that leaves `shadow` nothing is kept. */
  forgetBut(isInShadow: (service: string) => boolean): void {
    for (const service of this.#services.keys()) if (!isInShadow(service)) this.#services.delete(service);
  }
}
