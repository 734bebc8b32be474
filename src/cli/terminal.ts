/** Where a command runs, and where it writes to. What others wrote (versions, alerts, reasons) cannot steer the terminal. */

export interface Terminal {
  /** One or more whole lines. */
  out(text: string): void;
  err(text: string): void;
  /** Empties the screen, where there is one. */
  clear(): void;
  readonly isScreen: boolean;
  /** Epoch ms. */
  now(): number;
  readIn(): Promise<string>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
}

/** Without control characters: an escape sequence in a version's name stays visible and does nothing. */
export const harmless = (text: string): string => text.replace(/(?!\n)\p{Cc}/gu, '\uFFFD');
