/**
 * Timer triggers: NCRONTAB schedules (seconds first, UTC), one run at a time, and a run that comes late says so. Where
 * Azure keeps the last run in storage, this host forgets it when it ends: after a restart nothing is past due.
 */
import { Cron } from 'croner';
import type { Clock } from './clock.ts';

export interface TimerSchedule {
  readonly schedule: string;
  readonly runOnStartup: boolean;
  readonly useMonitor?: boolean | undefined;
}

/** What the worker passes to a timer function; the library turns the keys into camelCase. Times are ISO 8601. */
export interface TimerInfo {
  readonly Schedule: { readonly AdjustForDST: boolean };
  /** Null for an unmonitored timer: `useMonitor: false`, or more often than once a minute. */
  readonly ScheduleStatus: { readonly Last: string; readonly Next: string; readonly LastUpdated: string } | null;
  readonly IsPastDue: boolean;
}

// .NET's DateTime.MinValue, which the runtime reports before the first run.
const NEVER = '0001-01-01T00:00:00+00:00';
const MINUTE_MS = 60_000;

/**
 * The occurrence after a time, both epoch ms.
 *
 * @throws Error for anything but six NCRONTAB fields; app settings in percent signs, time spans and croner's own
 * extensions (L, W, #, ?) aren't taken.
 */
export function nextOccurrence(schedule: string): (after: number) => number {
  const fields = schedule.trim().split(/\s+/);
  if (
    fields.length !== 6 ||
    !fields.every((field) => /^(?:[\d*,/-]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|SUN|MON|TUE|WED|THU|FRI|SAT)+$/i.test(field))
  ) {
    throw new Error(`"${schedule}" is no NCRONTAB expression of six fields: second, minute, hour, day, month, day of the week.`);
  }
  // NCRONTAB wants day and day of the week both to match, where cron wants either.
  const cron = new Cron(fields.join(' '), { mode: '6-part', timezone: 'UTC', domAndDow: true, paused: true });
  return (after) => {
    const next = cron.nextRun(new Date(after));
    if (!next) throw new Error(`The schedule "${schedule}" has no next occurrence.`);
    return next.getTime();
  };
}

/** Starts a timer; `run` must not reject. Returns how to stop it: a run under way goes on, no other begins. */
export function startTimer(clock: Clock, timer: TimerSchedule, run: (info: TimerInfo) => Promise<void>): () => void {
  const next = nextOccurrence(timer.schedule);
  let last = NEVER;
  let stopped = false;
  let cancel = () => {};

  const fire = async (late: boolean): Promise<void> => {
    const now = clock.now();
    const following = next(now);
    const monitored = timer.useMonitor ?? next(following) - following >= MINUTE_MS;
    const status = { Last: last, Next: iso(following), LastUpdated: last };
    await run({ Schedule: { AdjustForDST: true }, ScheduleStatus: monitored ? status : null, IsPastDue: late });
    last = iso(now);
    if (!stopped) arm(following);
  };
  // Late: it came due while the run before was under way. One run stands in for all that were missed (also when the
  // machine slept through several).
  const arm = (due: number): void => {
    const overrun = due <= clock.now();
    cancel = clock.at(due, () => void fire(overrun || next(due) <= clock.now()));
  };

  if (timer.runOnStartup) cancel = clock.at(clock.now(), () => void fire(false));
  else arm(next(clock.now()));
  return () => {
    stopped = true;
    cancel();
  };
}

const iso = (time: number): string => new Date(time).toISOString();
