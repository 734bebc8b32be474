/** What a service's stream can be asked, and the facts that come with the asking. */
import type { ServiceSpec } from '../spec/schema.ts';
import type { Difference } from './difference.ts';
import type { Place, Release } from './state.ts';

export type ServiceCommand =
  | { readonly type: 'Specify'; readonly spec: ServiceSpec; readonly specVersion: number }
  | { readonly type: 'Retire'; readonly specVersion: number }
  /** `place` orders pushes of one repository; `again`: a person insists on a version that was taken back. */
  | { readonly type: 'Deploy'; readonly release: Release; readonly place?: Place; readonly again?: boolean }
  | { readonly type: 'AlertFired'; readonly alert: FiredAlert }
  | { readonly type: 'AlertResolved'; readonly alertId: string; readonly rule: string; readonly resolvedAt: number }
  | { readonly type: 'Pause'; readonly reason?: string }
  | { readonly type: 'Resume' }
  | { readonly type: 'Promote' }
  /** `force`: even though stable is known to have no ready endpoint; of what goes back already: without waiting until all are seen to. */
  | { readonly type: 'Abort'; readonly reason?: string; readonly force?: boolean }
  /**
   * Every proxy of the data plane was seen to serve the plan of this head version or a newer one. `unobserved`: why nobody
   * can see that there, where the spec accepts that what was applied counts.
   */
  | { readonly type: 'Converged'; readonly dataPlane: string; readonly revision: number; readonly unobserved?: string }
  /** A proxy or the data plane itself refused the plan of this head version. */
  | { readonly type: 'Rejected'; readonly dataPlane: string; readonly revision: number; readonly message: string }
  /** Nothing was ever brought there, and nothing is now: the version that is to get the traffic has no ready endpoint there. */
  | { readonly type: 'KeptBack'; readonly dataPlane: string; readonly version: string }
  /** All that a data plane at rest was seen to differ in; none: it has what was decided. */
  | { readonly type: 'NoteDrift'; readonly dataPlane: string; readonly differences: readonly Difference[] }
  /** Readiness may have changed. */
  | { readonly type: 'Recheck' }
  | { readonly type: 'Elapsed'; readonly deadline: DeadlineName; readonly dueAt: number };

export interface FiredAlert {
  readonly id: string;
  readonly rule: string;
  readonly firedAt: number;
  readonly window?: { readonly start: number; readonly end: number };
  readonly summary: string;
}

export type DeadlineName = 'start' | 'step' | 'hold' | 'pause' | 'blocked' | 'return';

/** `none`: known to have no ready endpoint on any data plane. `ready`: ready on every one. `unknown`: anything else. */
export type Readiness = 'ready' | 'none' | 'unknown';

export interface ServiceContext {
  /** Epoch ms. */
  readonly now: number;
  /** Version of the commit that will hold what is decided. */
  readonly version: number;
  readonly readinessOf: (version: string) => Readiness;
  /** The data planes on which it is not seen ready. */
  readonly notReadyOn: (version: string) => readonly string[];
  /** Why nothing is to get more traffic now, a sentence: trust is being changed in the mesh. It is advice, and delays no way back. */
  readonly trustChanges?: string;
}
