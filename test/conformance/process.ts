/**
 * Starting other people's servers for a test: they end with the process that started them, their output is kept, and the
 * last of it is shown when one does not come up. A scratch folder that goes away with them.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGuarded } from '../../src/local/child.ts';
import { until } from '../e2e/until.ts';

export const LOOPBACK = '127.0.0.1';

/** `await using server = await start…()` stops it at the end of the block; `stop` may be called more than once. */
export interface Running extends AsyncDisposable {
  stop(): Promise<void>;
}

export interface ServerProcess extends Running {
  /** All that it has written. */
  log(): Promise<string>;
}

export interface ServerOptions {
  /** For messages and the log file. */
  readonly name: string;
  readonly command: string;
  readonly arguments: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Where the log goes. */
  readonly folder: string;
  /** Whether it can be used now; what it throws counts as no. */
  readonly ready: () => Promise<boolean>;
  readonly withinMs?: number;
}

/** Rejects with the end of its log when it ends, or is not ready in time. */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const { name, folder, ready, withinMs = 60_000 } = options;
  const logFile = join(folder, `${name}.log`);
  const child = startGuarded({ ...options, logFile });
  const log = () => readFile(logFile, 'utf8').catch(() => '');
  let ended = false;
  void child.ended.then(() => {
    ended = true;
  });
  const running = stopping(() => child.stop());
  try {
    const up = await until(`${name} is ready`, async () => ended || (await ready()), withinMs);
    if (up && ended) throw new Error(`${name} ended before it was ready`);
  } catch (error) {
    await running.stop();
    throw new Error(`${name} did not start. The end of its log:\n${(await log()).slice(-4_000)}`, { cause: error });
  }
  return { log, ...running };
}

/** `undo` is run once, whoever asks and how often. */
export function stopping(undo: () => Promise<unknown>): Running {
  let done: Promise<unknown> | undefined;
  const stop = async (): Promise<void> => {
    done ??= undo();
    await done;
  };
  return { stop, [Symbol.asyncDispose]: stop };
}

/** What has been started, taken down in the opposite order, also when a later start fails. */
export class Started {
  readonly #steps: (() => Promise<unknown>)[] = [];

  add<Part extends Running>(part: Part): Part {
    this.#steps.push(() => part.stop());
    return part;
  }

  /** A folder of its own under the system's temporary one. */
  async folder(name: string): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), `meshwright-${name}-`));
    this.#steps.push(() => rm(path, { recursive: true, force: true }));
    return path;
  }

  async stop(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) await step();
  }
}

/** `start` fills `started`; if it throws, what it had started is stopped. */
export async function startingTogether<Whole extends object>(start: (started: Started) => Promise<Whole>): Promise<Whole & Running> {
  const started = new Started();
  try {
    return { ...(await start(started)), ...stopping(() => started.stop()) };
  } catch (error) {
    await started.stop();
    throw error;
  }
}
