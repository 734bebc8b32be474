/**
 * The port to the service of one istiod that signs leafs. What it answers is the one word of what it signs with and of whom it tells
 * workloads to trust: its files may be newer, its log says less. Filled by `src/adapters/istiod-signing.ts`.
 */
import type { Refused } from '../kubernetes/cluster.ts';

export interface Signed {
  readonly kind: 'signed';
  /** PEM of each: the leaf, and what is between it and a root. */
  readonly chain: readonly string[];
  /** PEM of all roots in one. */
  readonly roots: string;
}

export interface SigningService {
  /**
   * Has a key signed that nobody keeps, for the service account `default` of the control plane's namespace. `believed`: PEM of the roots that
   * its own certificate may be under. Throws `ClusterUnavailable` where it does not answer.
   */
  sample(of: { readonly namespace: string; readonly pod: string }, believed: string): Promise<Signed | Refused>;
}
