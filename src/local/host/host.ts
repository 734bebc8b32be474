/**
 * The local host: runs the functions an app has registered through `@azure/functions` v4, with HTTP, Event Grid, queue
 * and timer triggers, in this process and without Azure. It stands in for the Functions host and its Node worker, as
 * far as this project's functions go; what it can't run it refuses to start with (`triggers.ts`).
 */
import { type Clock, wallClock } from './clock.ts';
import { type AppFiles, collect, type Registration } from './collect.ts';
import { EVENT_GRID_PATH } from './event-grid.ts';
import { createFrontDoor } from './front-door.ts';
import type { LogSink } from './functions-core.ts';
import { parseHostJson } from './host-json.ts';
import { type HttpServer, listen } from './http.ts';
import { createInvocations, type Invocations, runHooks } from './invocation.ts';
import { MemoryQueues, type Queues } from './queue.ts';
import { nextOccurrence, startTimer } from './timers.ts';
import { runnable, withTrigger } from './triggers.ts';
import { queueData, queueMetadata, timerData } from './typed-data.ts';

export interface HostOptions extends AppFiles {
  /** The parsed content of the app's host.json. */
  readonly hostJson: unknown;
  /** 0 takes a free port. */
  readonly port: number;
  readonly log: LogSink;
  /** Must come with every Event Grid event. */
  readonly eventGridKey?: string;
  readonly clock?: Clock;
}

export interface Host {
  readonly port: number;
  readonly registrations: readonly Registration[];
  /** Feeds queue triggers; the message is gone when this process ends. See `Queues.enqueue` for what it throws. */
  readonly enqueue: Queues['enqueue'];
  /** What waits in a queue, poison queues (`<queue>-poison`) among them. */
  readonly waiting: Queues['waiting'];
  /**
   * Takes nothing new, lets what runs finish for up to `withinMs`, then cuts the connections. `unfinished` names the
   * functions that were still running, one name an invocation. A second call gives the same promise.
   */
  stop(withinMs?: number): Promise<{ readonly unfinished: readonly string[] }>;
}

const DEFAULT_STOP_MS = 10_000;

/**
 * Loads the app into this process (one app a process) and serves it on http://127.0.0.1:<port>.
 *
 * @throws Error, before anything is served, when a file can't be loaded, host.json is wrong, a function needs what this
 * host doesn't have, or the port is taken (code EADDRINUSE).
 */
export async function startHost(options: HostOptions): Promise<Host> {
  const clock = options.clock ?? wallClock;
  const settings = parseHostJson(options.hostJson);
  const { app, registrations } = await collect(options, options.log);
  const functions = app.functions.map(runnable);
  const timers = withTrigger(functions, 'timerTrigger');
  for (const { trigger } of timers) nextOccurrence(trigger.schedule);

  const invocations = createInvocations(app);
  const queues = new MemoryQueues(clock, settings.queues);
  for (const queued of withTrigger(functions, 'queueTrigger')) {
    queues.subscribe(queued.trigger.queueName, (message) => invocations.run(queued, queueData(message), queueMetadata(message)));
  }
  const logError = (error: unknown): void =>
    app.log({ level: 'error', category: 'system', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  const door = createFrontDoor(functions, settings.routePrefix, invocations, options.eventGridKey);

  const appHookData = {};
  await runHooks(app, 'appStart', { hookData: appHookData });
  const server = await listen(options.port, door.answer, logError);
  app.log({
    level: 'information',
    category: 'system',
    message: `${functions.length} functions on http://127.0.0.1:${server.port}; Event Grid events go to ${EVENT_GRID_PATH}?functionName=<name>.`,
  });
  const stopTimers = timers.map((timer) =>
    startTimer(clock, timer.trigger, async (info) => {
      // A failed run has been logged; the next one comes at its time.
      await invocations.run(timer, timerData(info)).catch(() => {});
    }),
  );

  let stopping: ReturnType<Host['stop']> | undefined;
  return {
    port: server.port,
    registrations,
    enqueue: (...message) => queues.enqueue(...message),
    waiting: (queueName) => queues.waiting(queueName),
    stop(withinMs = DEFAULT_STOP_MS) {
      stopping ??= (async () => {
        for (const stopTimer of stopTimers) stopTimer();
        queues.stop();
        door.shut();
        const unfinished = await drain(server, invocations, withinMs);
        await runHooks(app, 'appTerminate', { hookData: appHookData }).catch(logError);
        return { unfinished };
      })();
      return stopping;
    },
  };
}

async function drain(server: HttpServer, invocations: Invocations, withinMs: number): Promise<readonly string[]> {
  const still = Promise.all([server.close(), invocations.idle()]);
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, withinMs);
  });
  await Promise.race([still, bound]);
  clearTimeout(timer);
  server.cut();
  return invocations.running();
}
