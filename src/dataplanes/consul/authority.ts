/**
 * The port to Consul's certificate authority and to the proxies that hold its certificates: what a rotation needs of them, and no more.
 * Refusals and outages as in `server.ts`. Filled by `src/adapters/consul-authority-http.ts` and `src/adapters/tls-hello.ts`.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { Refused } from './server.ts';

/** One entry of Consul's list of roots. */
export interface ListedRoot {
  /** The one that signs. */
  readonly active: boolean;
  /** PEM, as many as `RootCert` holds; the first one's key is the entry's. */
  readonly certificates: readonly string[];
}

export interface AuthorityConfiguration {
  /** `consul`, or the kind of a vault that signs in its place. */
  readonly provider: string;
  /** With the private key in it, where one was given. */
  readonly config: JsonObject;
}

export interface ListedProxy {
  /** Of the instance, with its node: unlike any other. */
  readonly id: string;
  readonly address: string;
  readonly port: number;
  /** `connect-proxy`, the kind of a gateway, or empty where a service presents a leaf by itself. */
  readonly kind: string;
}

export type Listed<What> = { readonly kind: 'listed'; readonly of: readonly What[] } | Refused;

export interface ConsulAuthority {
  roots(): Promise<Listed<ListedRoot>>;
  configuration(): Promise<({ readonly kind: 'found' } & AuthorityConfiguration) | Refused>;
  /** `crossSigned`: by the key that signed before, and the certificate of that goes along with leafs from now on. */
  configure(config: JsonObject, how: { readonly crossSigned: boolean }): Promise<{ readonly kind: 'written' } | Refused>;
  /** Everything in the catalogue that holds a leaf. */
  proxies(): Promise<Listed<ListedProxy>>;
}

/** What a server says of itself before it knows who asks. */
export interface Hello {
  /** DER, the leaf first. */
  readonly chain: readonly Uint8Array[];
  /** Names (DER) of those under whom it believes callers; `undefined`: it asks callers for no certificate. */
  readonly believes: readonly Uint8Array[] | undefined;
}

/** Throws, with why, where nobody says hello. */
export type SayHello = (address: string, port: number) => Promise<Hello>;
