/** What reconciling needs of a data plane, whatever mesh it is. Implemented by `src/dataplanes/<mesh>`. */
import type { ServicePlan } from '../plan/plan.ts';
import type { Author, Difference } from '../rollouts/difference.ts';
import type { Fragment } from './model.ts';

export type { Author, Difference };

export interface DataPlane {
  /**
   * Sees to it that the data plane comes to serve the fragment. Repeatable, may come late; never puts an older revision
   * over a newer one. Throws on transient faults, and when `until` is over first.
   */
  apply(fragment: Fragment, until?: AbortSignal): Promise<Applied>;
  /**
   * What is seen of the fragment, or of a newer one of the same service, at `now` (epoch ms). Who was not asked before `until` is
   * over is waited for.
   */
  observe(fragment: Fragment, now: number, until?: AbortSignal): Promise<Observation>;
  /**
   * Takes away what only served what came before; called when the fragment is seen to be served, so that nothing breaks. Throws as
   * `apply` does.
   */
  prune?(fragment: Fragment, until?: AbortSignal): Promise<Applied>;
  /**
   * How what is stored there differs from the fragment, of which nothing is still on its way; absent: nothing is stored but the
   * model. Throws where it cannot be read, which is not the same as no difference.
   */
  drift?(fragment: Fragment): Promise<readonly Difference[]>;
  /**
   * How many requests the service's proxies would have refused, were it strict; absent: nobody here can see that. `sequence`: that of
   * the plan. Throws where it cannot be read.
   */
  dryRun?(plan: ServicePlan, asked: { readonly sequence: number; readonly now: number }): Promise<DryRun>;
  /** Which versions of a service are known to have a ready endpoint, or none; absent = unknown. `fresh`: now, and waited for. */
  readiness(mesh: string, service: string, now: number, fresh?: boolean): Promise<Readonly<Record<string, 'ready' | 'none'>>>;
}

export interface DryRun {
  /** Also those that have refused nobody: without any, nothing is known. */
  readonly proxies: readonly DryRunCount[];
  /** Where callers are told apart. What the proxies have counted beyond that is of others. */
  readonly callers?: readonly DryRunCaller[];
  /** Why this may not be all, in a sentence. */
  readonly unseen?: string;
}

export interface DryRunCount {
  readonly proxy: string;
  /** Who counts, where that is not the proxy itself: each starts at 0. */
  readonly counter?: string;
  /** Since the proxy, or the counter, started. */
  readonly wouldRefuse: number;
}

export interface DryRunCaller {
  /** Its identity, or that it has none. */
  readonly caller: string;
  readonly counter: string;
  /** Since the counter started. */
  readonly wouldRefuse: number;
}

export type Applied =
  | { readonly kind: 'applied' }
  /** It will be refused again until somebody changes something; `message` says what. */
  | { readonly kind: 'refused'; readonly message: string };

export type Observation =
  /** Every proxy that counts serves it, and there is at least one. */
  | { readonly kind: 'served' }
  /** `for` names up to ten proxies that do not serve it yet; empty when no proxy is seen at all. `because`: more than they say. */
  | { readonly kind: 'waiting'; readonly for: readonly string[]; readonly because?: string }
  /** Nobody can see what is served there, and the mesh's spec accepts that: what was applied counts. */
  | { readonly kind: 'unobserved'; readonly reason: string }
  | { readonly kind: 'rejected'; readonly node: string; readonly message: string };
