/** An agent at work: keeps the leaf and reports on the Envoy, until it is told to stop. Each waits for its own time, and neither for the other. */
import { openDirectory } from './identity-files.ts';
import { type AgentClock, leafKeeper, type Say } from './leaf-keeper.ts';
import { envoyReporter } from './reporter.ts';
import type { AgentSettings } from './settings.ts';

/** Clocks are looked at this often, however long there is to wait: a machine that slept has missed a timer. */
const LONGEST_WAIT_MS = 1_000;
/** Envoy reads a file that was moved within milliseconds. */
const LOADED_WITHIN_MS = 500;

export interface AgentRun {
  readonly settings: AgentSettings;
  readonly clock: AgentClock;
  readonly say: Say;
  readonly stop: AbortSignal;
  /** Only until the first leaf lies there, for whoever starts an Envoy after it. */
  readonly once?: boolean;
}

/** True: a leaf that counts lies in the files. Rejects where the directory cannot be used. */
export async function runAgent({ settings, clock, say, stop, once = false }: AgentRun): Promise<boolean> {
  await openDirectory(settings.directory);
  const keeper = leafKeeper(settings, clock, say);
  await keeper.open();
  const counts = (): boolean => (keeper.held()?.notAfter ?? 0) > clock.now();
  let reportAt = 0;

  async function keepLeaf(): Promise<void> {
    while (!stop.aborted && !(once && counts())) {
      if (keeper.dueIn() > 0) await pause(Math.min(keeper.dueIn(), LONGEST_WAIT_MS), stop);
      else if (await keeper.renew()) reportAt = Math.min(reportAt, clock.elapsed() + LOADED_WITHIN_MS);
    }
  }

  async function report(): Promise<void> {
    if (!settings.reporting || once) return;
    const reporter = envoyReporter({ ...settings, reporting: settings.reporting }, keeper, clock, say);
    while (!stop.aborted) {
      const left = reportAt - clock.elapsed();
      if (left > 0) {
        await pause(Math.min(left, LOADED_WITHIN_MS), stop);
        continue;
      }
      reportAt = Number.POSITIVE_INFINITY;
      const next = clock.elapsed() + (await reporter.report());
      // A leaf that came meanwhile is to be told of sooner.
      reportAt = Math.min(reportAt, next);
    }
  }

  await Promise.all([keepLeaf(), report()]);
  return counts();
}

function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    stop.addEventListener('abort', done, { once: true });
  });
}
