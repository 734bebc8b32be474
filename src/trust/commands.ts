/** What a mesh's trust can be asked, and the facts that come with the asking. */
import type { CertificatesSpec } from '../spec/certificates-schema.ts';
import type { Authority, Delegation, Issuer } from './certificates.ts';
import type { FleetLook } from './gates.ts';
import type { ApprovedGate, Expiring, Rotation } from './state.ts';

export type TrustCommand =
  | {
      readonly type: 'Specify';
      readonly spec: CertificatesSpec;
      readonly trustDomain: string;
      readonly dataPlanes: readonly string[];
      readonly specVersion: number;
    }
  | { readonly type: 'Release'; readonly specVersion: number }
  /** `version`: the one that the vault has made by itself, of a `new-version`. */
  | { readonly type: 'Rotate'; readonly cause: Rotation['cause']; readonly by: string; readonly reason?: string; readonly version?: string }
  /** What was asked of the vault is there: the first root, or the one that a rotation prepares. */
  | { readonly type: 'AuthorityMade'; readonly wish: string; readonly authority: Authority }
  /**
   * What was being made for an aborted rotation is given up: the vault has nothing of it. `because`: the version that a rotation was to
   * adopt can be no root, in one sentence.
   */
  | { readonly type: 'NothingMade'; readonly wish: string; readonly because?: string }
  | { readonly type: 'IssuerMade'; readonly root: string; readonly issuer: Issuer }
  /** Before its key is handed over: leafs under it are known as soon as there are any. */
  | { readonly type: 'Delegate'; readonly root: string; readonly delegation: Omit<Delegation, 'due'> }
  /** A prepared root is to be used. */
  | { readonly type: 'Proceed'; readonly by: string }
  | { readonly type: 'Approve'; readonly gate: ApprovedGate; readonly by: string }
  /** The fleet was looked at. */
  | { readonly type: 'Looked'; readonly look: FleetLook }
  /** Past a gate whoever is behind: of a compromise, or once it is overdue. `rotation` and `phase`: what `by` has looked at. */
  | { readonly type: 'Force'; readonly by: string; readonly rotation: string; readonly phase: string; readonly look: FleetLook }
  | { readonly type: 'Abort'; readonly by: string; readonly reason?: string }
  /** The keys of this root and of its issuer are disabled in the vault. */
  | { readonly type: 'KeyDisabled'; readonly root: string }
  /** What the daily inventory found; `rotateBy` as it says. */
  | { readonly type: 'NoteExpiring'; readonly items: readonly Expiring[]; readonly rotateBy: number | null }
  /** A time has come: for a rotation, for a new issuer, for leaving a phase. */
  | { readonly type: 'Elapsed' };

export interface TrustContext {
  /** Epoch ms. */
  readonly now: number;
  /** Version of the commit that will hold what is decided. */
  readonly version: number;
  /** Why no change of the mesh may begin now; it delays only what removes trust or changes who signs. */
  readonly locked?: string;
}

/** One kind of command. */
export type Of<Type extends TrustCommand['type']> = TrustCommand & { type: Type };

/** By whom what this project does by itself is done. */
export const OWN = 'meshwright';
