/**
 * The port to what Linkerd's proxies and its identity service say of themselves: the leaf that a proxy shows, and the leaf that an identity pod
 * gives. Its Secret may be newer than what it signs with, its events say that something was read and not what. Filled by
 * `src/adapters/linkerd-identity.ts`.
 */
import type { PodPort, Refused } from '../kubernetes/cluster.ts';

/** DER of each: the leaf, and what is between it and a root. */
export interface Shown {
  readonly kind: 'shown';
  readonly chain: readonly Uint8Array[];
}

export interface PodOfIdentity {
  readonly namespace: string;
  readonly pod: string;
  /** Of its identity service, behind its proxy. */
  readonly port: number;
  /** Suffix of every name, such as `identity.linkerd.cluster.local`. */
  readonly identities: string;
}

export interface IdentityService {
  /** What the proxy at `at`, its admin port, shows to whoever asks for `name` by TLS. Throws `ClusterUnavailable` where it shows nothing. */
  shown(at: PodPort, name: string): Promise<Shown | Refused>;
  /**
   * Has a key certified that nobody keeps, for the service account `default` of the control plane's namespace. Throws `ClusterUnavailable`
   * where it does not answer.
   */
  sample(of: PodOfIdentity): Promise<Shown | Refused>;
}
