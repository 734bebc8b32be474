/** The end of a command that did not do what it was asked: one sentence for people, and the exit code for scripts. */

/** 1: refused, or it failed. 2: it was asked in a way that cannot be understood. 3: a data plane cannot say what the spec means. 4: a data plane drifted, or would refuse calls. */
export type ExitCode = 1 | 2 | 3 | 4;

export class Failure extends Error {
  readonly exitCode: ExitCode;
  /** Lines that follow the sentence, such as the problems of a spec. */
  readonly details: readonly string[];

  constructor(sentence: string, { exitCode = 1, details = [] }: { exitCode?: ExitCode; details?: readonly string[] } = {}) {
    super(sentence);
    this.exitCode = exitCode;
    this.details = details;
  }
}
