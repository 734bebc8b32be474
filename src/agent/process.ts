/** The agent as a process: real clocks, signals, one line of JSON an event on standard output, and the exit code. */

import { runAgent } from './run.ts';
import { readAgentSettings } from './settings.ts';

/** Resolves with the exit code: 0 when it was stopped, 1 when it could not begin or `once` found no leaf, 2 when a setting is wrong. */
export async function agentProcess(environment: Readonly<Record<string, string | undefined>>, once: boolean): Promise<0 | 1 | 2> {
  const read = readAgentSettings(environment);
  if (!read.ok) {
    for (const problem of read.problems) console.error(problem);
    return 2;
  }
  const say = (event: string, message: string): void => console.log(JSON.stringify({ at: new Date().toISOString(), event, message }));
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  const clock = { now: Date.now, elapsed: () => performance.now(), chance: Math.random };
  try {
    const { settings } = read;
    const counts = await runAgent({ settings, clock, say, stop: stopping.signal, once });
    say('Stopped', counts ? 'The leaf stays where it is.' : 'There is no leaf that counts.');
    return once && !counts ? 1 : 0;
  } catch (error) {
    say('NotStarted', error instanceof Error ? error.message : String(error));
    return 1;
  }
}
