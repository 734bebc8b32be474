/** What people are told, before it has words, and where it is sent. Channels are implemented in `src/adapters`. */

export interface Notice {
  /** The same for every try to send it; a person can tell a repeated card by it. */
  readonly id: string;
  readonly mesh: string;
  readonly service?: string;
  /** What it is about: a `Topic` of `words.ts`, or one that only a newer version of this program knows. */
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
  /** Answers `later` also when the other side could not be asked; throws for faults of our own only. */
  send(notice: Notice): Promise<Sent>;
}
