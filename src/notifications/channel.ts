/** What people are told, before it has words, and where it is sent. Channels are implemented in `src/adapters`. */

export interface Notice {
  /** The same for every try to send it; a person can tell a repeated card by it. */
  readonly id: string;
  readonly mesh: string;
  readonly service?: string;
  /** What it is about: `started`, `returned`, `stuck` … (`words.ts` has them all). */
  readonly topic: string;
  /** Epoch ms of the decision it tells of. */
  readonly at: number;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

export type Sent =
  | { readonly kind: 'sent' }
  | { readonly kind: 'later'; readonly afterMs: number; readonly error: string }
  /** Trying again will not help. */
  | { readonly kind: 'refused'; readonly error: string };

export interface Channel {
  /** Never throws for what the other side answered; throws when it could not be asked. */
  send(notice: Notice): Promise<Sent>;
}
