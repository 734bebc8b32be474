/** What a rotation needs of a data plane, whatever mesh it is. Implemented by `src/dataplanes/<mesh>`. */
import type { FleetLook } from './gates.ts';

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
}

export interface DataPlaneTrust {
  /** Sees to it that the data plane comes to have the material. Repeatable, may come late. Throws on transient faults. */
  bring(material: TrustMaterial): Promise<{ readonly kind: 'brought' } | { readonly kind: 'refused'; readonly message: string }>;
  /** What its proxies and control planes were seen to have loaded. Throws where it cannot be asked. */
  look(mesh: string, now: number): Promise<FleetLook['members']>;
}
