/** The functions process of one machine: the registered functions on the local host, over SQLite. Started by `main.ts`. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StateFileError } from '../adapters/state-file.ts';
import { theInstallation } from '../wiring.ts';
import { startHost } from './host/host.ts';
import { openQueueDoor } from './queue-door.ts';

const dist = join(import.meta.dirname, '..');
/** Queues hide no message for longer than a week; an alarm that comes too early does no harm. */
const FARTHEST_ALARM_MS = 6 * 24 * 3_600_000;
/** Before the supervisor's patience is over, which is 8 s. */
const STOPS_WITHIN_MS = 6_000;

async function main(): Promise<void> {
  // First of all: where the state cannot be used, that is the one thing to say.
  const { app, token } = await theInstallation();
  const host = await startHost({
    directory: dist,
    entries: 'functions/*.js',
    hostJson: JSON.parse(await readFile(join(dist, '..', 'host.json'), 'utf8')),
    port: Number(process.argv[2] ?? 7071),
    // Without a token of its own this endpoint lets nobody in: it knows no roles.
    eventGridKey: token ?? randomUUID(),
    log: ({ level, message }) => {
      if (level !== 'trace' && level !== 'debug') console.log(message);
    },
  });
  openQueueDoor((stream, at) => {
    const visibleAt = Math.min(at, Date.now() + FARTHEST_ALARM_MS);
    host.enqueue('alarms', JSON.stringify({ stream }), { visibleAt });
  });
  console.log(JSON.stringify({ listening: host.port }));
  // The queue died with the process before: what has come due meanwhile, and what will, is not left to the next full minute.
  await app.renewAlarms();

  let stopping: Promise<unknown> | undefined;
  const stop = async (): Promise<void> => {
    stopping ??= host.stop(STOPS_WITHIN_MS).then(({ unfinished }) => {
      if (unfinished.length > 0) console.log(`Stopped while ${unfinished.join(', ')} ran; the next start takes up what they left.`);
    });
    await stopping;
    process.exit(0);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // The supervisor holds the other end: when it is gone, however it went, this process is not left behind.
  process.stdin.on('end', stop).resume();
}

main().catch((error: unknown) => {
  console.error(error instanceof StateFileError ? error.message : error);
  process.exit(1);
});
