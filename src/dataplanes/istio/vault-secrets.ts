/**
 * The port to the secrets of the Key Vault that the Istio add-on of AKS takes its CA from. A vault compares nothing when it is written to, so
 * that each value carries the revision it was decided in. Filled by `src/adapters/key-vault-secrets.ts`.
 */

export interface Secret {
  readonly value: string;
  /** 0: somebody else wrote it. */
  readonly revision: number;
}

export interface HeldSecret extends Secret {
  readonly version: string;
}

export interface VaultSecrets {
  /** As people know it, such as `shop.vault.azure.net`. */
  readonly host: string;
  /** The newest version; `undefined`: there is none, or it is disabled. Throws `VaultUnavailable`, `VaultRefused`, as all of these do. */
  read(name: string): Promise<HeldSecret | undefined>;
  /**
   * `over`: the version that it was decided over; where another one is the newest by now, nothing is written (`moved`). `newer`: a higher revision is in force,
   * also where this one had been written over it. What is there already gets the revision, and no version.
   */
  write(name: string, secret: Secret, over: string | undefined): Promise<'written' | 'moved' | 'newer'>;
  /** Disables versions, so that nobody reads them again; `but-newest`: what is in force stays. Repeatable. */
  disable(name: string, which: 'all' | 'but-newest'): Promise<void>;
}
