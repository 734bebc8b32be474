/** What reconciling needs of a data plane, whatever mesh it is. Implemented by `src/dataplanes/<mesh>`. */
import type { Fragment } from './model.ts';

export interface DataPlane {
  /**
   * Sees to it that the data plane comes to serve the fragment. Repeatable, may come late; never puts an older revision
   * over a newer one. Throws on transient faults.
   */
  apply(fragment: Fragment): Promise<void>;
  /** What is seen of the fragment, or of a newer one of the same service, at `now` (epoch ms). */
  observe(fragment: Fragment, now: number): Promise<Observation>;
  /** Which versions of a service are known to have a ready endpoint, or none; absent = unknown. */
  readiness(mesh: string, service: string, now: number): Promise<Readonly<Record<string, 'ready' | 'none'>>>;
}

export type Observation =
  /** Every proxy that counts serves it, and there is at least one. */
  | { readonly kind: 'served' }
  /** `for` names up to ten proxies that do not serve it yet; empty when no proxy is seen at all. */
  | { readonly kind: 'waiting'; readonly for: readonly string[] }
  | { readonly kind: 'rejected'; readonly node: string; readonly message: string };
