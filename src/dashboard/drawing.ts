/** The shape of what is drawn on the page, and the words that it is drawn with. */

/** One element as it should be. Elements of one tag and class have the same kind of content and the same attributes. */
export interface Drawn {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly content: string | readonly Drawn[];
}

export interface Words {
  readonly deadlines: Readonly<Record<string, string>>;
  readonly span: (milliseconds: number) => string;
}
