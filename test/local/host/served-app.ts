/**
 * Runs a fixture app in a process of its own, since the Functions library allows one app a process: `startServedApp`
 * forks this very file, which serves the app with the real host and takes orders over the IPC channel.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { collect } from '../../../src/local/host/collect.ts';
import { startHost } from '../../../src/local/host/host.ts';

const order = z.discriminatedUnion('do', [
  z.object({ do: z.literal('enqueue'), queue: z.string(), text: z.string(), hiddenForMs: z.number() }),
  z.object({ do: z.literal('stop'), withinMs: z.number() }),
]);
const registration = z.object({ name: z.string(), triggerType: z.string() });
const report = z.discriminatedUnion('is', [
  z.object({ is: z.literal('ready'), port: z.number(), registrations: z.array(registration) }),
  z.object({ is: z.literal('collected'), registrations: z.array(registration) }),
  z.object({ is: z.literal('log'), level: z.string(), category: z.string(), message: z.string(), functionName: z.string().optional() }),
  z.object({ is: z.literal('stopped'), unfinished: z.array(z.string()) }),
  z.object({ is: z.literal('failed'), message: z.string() }),
]);
type Order = z.infer<typeof order>;
export type Report = z.infer<typeof report>;

export interface ServedApp {
  readonly url: string;
  readonly registrations: readonly z.infer<typeof registration>[];
  readonly reports: readonly Report[];
  /** The first report that passes, past or to come. */
  until<R>(find: (report: Report) => R | undefined): Promise<R>;
  send(order: Order): void;
  /** Lets the slow function of the fixture go on. */
  release(): void;
  /** Ends the process and waits for its end. */
  end(): Promise<void>;
}

/** Forks the app. `how: 'collect'` only loads it and lists what it registered. */
export async function startServedApp(
  directory: string,
  entries: string,
  how: 'serve' | 'collect' = 'serve',
  eventGridKey?: string,
): Promise<ServedApp> {
  const child = fork(fileURLToPath(import.meta.url), [directory, entries, how, ...(eventGridKey === undefined ? [] : [eventGridKey])], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [],
  });
  const ended = once(child, 'exit');
  // A test that fails must not be kept from ending by its app; the app ends with the test's process.
  child.unref();
  child.channel?.unref();
  const reports: Report[] = [];
  const listeners = new Set<() => void>();
  child.on('message', (message) => {
    reports.push(report.parse(message));
    for (const listener of listeners) listener();
  });
  const until: ServedApp['until'] = (find) =>
    new Promise((resolve) => {
      let next = 0;
      const look = () => {
        for (; next < reports.length; next += 1) {
          const seen = reports[next];
          const found = seen && find(seen);
          if (found === undefined) continue;
          listeners.delete(look);
          resolve(found);
          return;
        }
      };
      listeners.add(look);
      look();
    });
  const end = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  const started = await Promise.race([
    until((seen) => (seen.is === 'log' ? undefined : seen)),
    ended.then(() => {
      throw new Error(`The app in ${directory} ended before it was served.`);
    }),
  ]);
  if (started.is !== 'ready' && started.is !== 'collected') {
    await end();
    throw new Error(started.is === 'failed' ? started.message : started.is);
  }
  return {
    url: started.is === 'ready' ? `http://127.0.0.1:${started.port}` : '',
    registrations: started.registrations,
    reports,
    until,
    send: (what) => child.send(what),
    release: () => child.kill('SIGUSR2'),
    end,
  };
}

async function serve(directory: string, entries: string, how: string, eventGridKey?: string): Promise<void> {
  process.once('disconnect', () => process.exit());
  const tell = (what: Report) => process.send?.(what);
  const log = (entry: Omit<Extract<Report, { is: 'log' }>, 'is'>) => tell({ is: 'log', ...entry });
  if (how === 'collect') {
    const { registrations } = await collect({ directory, entries }, log);
    tell({ is: 'collected', registrations: [...registrations] });
    return;
  }
  const hostJson = await readFile(join(directory, 'host.json'), 'utf8').then(JSON.parse, () => ({ version: '2.0' }));
  const host = await startHost({ directory, entries, hostJson, port: 0, log, ...(eventGridKey === undefined ? {} : { eventGridKey }) });
  process.on('message', async (message) => {
    const what = order.parse(message);
    if (what.do === 'enqueue') host.enqueue(what.queue, what.text, { visibleAt: Date.now() + what.hiddenForMs });
    else tell({ is: 'stopped', unfinished: [...(await host.stop(what.withinMs)).unfinished] });
  });
  tell({ is: 'ready', port: host.port, registrations: [...host.registrations] });
}

const [, script, directory, entries, how, eventGridKey] = process.argv;
if (script === fileURLToPath(import.meta.url) && directory && entries && how) {
  await serve(directory, entries, how, eventGridKey).catch((error: unknown) =>
    process.send?.({ is: 'failed', message: error instanceof Error ? error.message : String(error) }),
  );
}
