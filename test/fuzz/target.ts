/**
 * A parser of outside data under fuzzing: the inputs it is given and what it may do with them. It answers, refuses with a reason and a
 * sentence, or throws one of the errors that it is documented to throw; anything else is a finding.
 */
import fc from 'fast-check';

type ErrorClass = new (...parts: never[]) => Error;

export interface TargetOptions<Input> {
  readonly name: string;
  /** How many of a hundred thousand inputs it is given; a parser behind a connection gets fewer. */
  readonly share: number;
  readonly inputs: fc.Arbitrary<Input>;
  /** What it may throw, by its documentation. */
  readonly throws?: readonly ErrorClass[];
  /** Inputs near the limits, whose time may only be in proportion to their size. */
  readonly large?: readonly { readonly what: string; readonly input: () => Input }[];
}

export interface Finding {
  readonly seed: number;
  readonly path: string;
  readonly input: string;
  readonly error: string;
}

export interface Target {
  readonly name: string;
  readonly share: number;
  /** `undefined`: nothing was found. With the `path` of a finding, that input alone. */
  run(inputs: number, seed: number, path?: string): Promise<Finding | undefined>;
  readonly large: readonly { readonly what: string; run(): Promise<void> }[];
}

export function target<Input>(options: TargetOptions<Input>, parse: (input: Input) => unknown): Target {
  const { name, share, inputs, throws = [], large = [] } = options;
  const judged = (input: Input): void => {
    try {
      judge(parse(input));
    } catch (error) {
      if (!throws.some((known) => error instanceof known)) throw error;
    }
  };
  const property = fc.property(inputs, judged);
  return {
    name,
    share,
    run: async (count, seed, path) => found(fc.check(property, howOften(count, seed, path))),
    large: large.map(({ what, input }) => ({ what, run: async () => judged(input()) })),
  };
}

/** As `target`, of what answers later. */
export function targetLater<Input>(options: TargetOptions<Input>, parse: (input: Input) => Promise<unknown>): Target {
  const { name, share, inputs, throws = [], large = [] } = options;
  const judged = async (input: Input): Promise<void> => {
    try {
      judge(await parse(input));
    } catch (error) {
      if (!throws.some((known) => error instanceof known)) throw error;
    }
  };
  const property = fc.asyncProperty(inputs, judged);
  return {
    name,
    share,
    run: async (count, seed, path) => found(await fc.check(property, { ...howOften(count, seed, path), timeout: LONGEST_MS })),
    large: large.map(({ what, input }) => ({ what, run: () => judged(input()) })),
  };
}

/** What has not ended by then does not end: that is a finding too, where it can be told from here. */
const LONGEST_MS = 60_000;

const howOften = (numRuns: number, seed: number, path: string | undefined) => ({
  seed,
  ...(path === undefined ? { numRuns } : { path, endOnFailure: true }),
});

function found<Input>(details: fc.RunDetails<[Input]>): Finding | undefined {
  if (!details.failed) return undefined;
  const { seed, counterexample, counterexamplePath, errorInstance } = details;
  const error = errorInstance instanceof Error ? (errorInstance.stack ?? errorInstance.message) : String(errorInstance);
  return { seed, path: counterexamplePath ?? '', input: shown(counterexample), error: error.slice(0, 1_500) };
}

function shown(input: unknown): string {
  try {
    return fc.stringify(input).slice(0, 2_000);
  } catch {
    return '(nested too deeply to be shown)';
  }
}

const LONGEST_MESSAGE = 10_000;

/** A refusal says why in a word and what to do in a sentence; no input makes it endless. */
function judge(answer: unknown): void {
  for (const each of Array.isArray(answer) ? answer : [answer]) {
    if (typeof each !== 'object' || each === null) continue;
    const reason = 'reason' in each ? each.reason : undefined;
    const message = 'message' in each ? each.message : undefined;
    if (reason !== undefined && !(typeof reason === 'string' && /^[A-Z][A-Za-z0-9]+$/.test(reason)))
      throw new Error(`It refuses with a reason that is no CamelCase word: ${JSON.stringify(reason)}`);
    if (reason !== undefined && !(typeof message === 'string' && message.length > 0 && message.length <= LONGEST_MESSAGE))
      throw new Error(`It refuses as ${String(reason)} without a sentence of a bearable length.`);
  }
}

/** Parsers that need something to run beside them. */
export interface Running {
  readonly targets: readonly Target[];
  stop(): Promise<void>;
}
