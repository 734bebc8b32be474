/** What a rotation needs of a data plane, whatever mesh it is. Implemented by `src/dataplanes/<mesh>`. */
import type { FleetLook, Lives } from './gates.ts';

/** Whom workloads are to trust and who signs for them, as PEM; changed in one of the two at a time. */
export interface TrustMaterial {
  readonly mesh: string;
  readonly trustDomain: string;
  /** Version of the trust stream's commit that decided it; a lower one never goes over a higher one. */
  readonly revision: number;
  /** PEM of each root; the first is the one that signs. */
  readonly roots: readonly string[];
  /** The issuer that signs leafs. */
  readonly signer: { readonly fingerprint: string; readonly certificate: string };
  /** Workloads come for new leafs within this time, each at a random moment of it. */
  readonly renewWithinMs: number;
  /** Of leafs. What was opened with one must have ended when it and what clocks may be apart have passed: a root that goes waits that long. */
  readonly lives: Lives;
}

/** An issuer of path length 0 and its key, for a data plane that signs leafs by itself. Nobody else ever has the key. */
export interface DelegatedIssuer {
  readonly fingerprint: string;
  /** PEM, right under the root. */
  readonly certificate: string;
  /** PKCS #8, PEM. */
  readonly key: string;
}

export interface DataPlaneTrust {
  /** Left out: leafs of its workloads are signed in the vault. */
  readonly signing?: {
    /** Fingerprint of the issuer that it was handed, or made, to sign with; `undefined`: none. Throws where it cannot be asked. */
    signer(): Promise<string | undefined>;
  };
  /**
   * Sees to it that the data plane comes to have the material. Repeatable, may come late. Throws on transient faults. `delegate` makes what
   * it is to sign with from now on, asked once nothing else speaks against it; left out, it goes on with what it has.
   */
  bring(
    material: TrustMaterial,
    delegate?: () => Promise<DelegatedIssuer>,
  ): Promise<{ readonly kind: 'brought' } | { readonly kind: 'refused'; readonly message: string }>;
  /** What its proxies and control planes were seen to have loaded. Throws where it cannot be asked. */
  look(mesh: string, now: number): Promise<FleetLook['members']>;
}
