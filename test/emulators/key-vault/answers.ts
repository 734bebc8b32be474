/** What the stand-in answers with: bodies as the service writes them, its errors, and lists in pages with a `nextLink`. */

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An error as the service writes it: https://learn.microsoft.com/azure/key-vault/general/rest-error-codes. */
export class Problem extends Error {
  readonly answer: Answer;
  constructor(status: number, code: string, message: string, innerCode?: string) {
    super(message);
    const innererror = innerCode === undefined ? {} : { innererror: { code: innerCode } };
    this.answer = { status, body: { error: { code, message, ...innererror } } };
  }
}

export interface Asked {
  readonly method: string;
  /** Of the path, decoded; those that are empty are left out. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  readonly body: unknown;
  /** Of the vault, without a slash at the end. */
  readonly base: string;
}

/** One page of at most 25, or of `maxresults` if that is less, and where the next one is. */
export function page(asked: Asked, items: readonly unknown[], largest: number): Answer {
  const size = Math.min(largest, Number(asked.query.get('maxresults') ?? largest));
  const from = Number(asked.query.get('$skiptoken') ?? 0);
  const next = new URLSearchParams(asked.query);
  next.set('$skiptoken', String(from + size));
  const nextLink = from + size < items.length ? `${asked.base}/${asked.segments.join('/')}?${next}` : null;
  return { status: 200, body: { value: items.slice(from, from + size), nextLink } };
}
