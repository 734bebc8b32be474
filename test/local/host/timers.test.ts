/** When a timer fires and what it is told; time is turned by hand. */
import { describe, expect, it } from 'vitest';
import { nextOccurrence, startTimer, type TimerInfo } from '../../../src/local/host/timers.ts';
import { ManualClock, settled } from './manual-clock.ts';

const START = Date.UTC(2026, 0, 1, 12, 0, 30);
const at = (time: string) => Date.parse(`2026-01-01T${time}Z`);

describe('a schedule', () => {
  it.each([
    ['0 */5 * * * *', '2026-01-01T12:00:30Z', '2026-01-01T12:05:00Z'],
    ['*/15 * * * * *', '2026-01-01T12:00:30Z', '2026-01-01T12:00:45Z'],
    ['0 0 9-17 * * MON-FRI', '2026-01-02T17:00:00Z', '2026-01-05T09:00:00Z'],
    ['0 0 0 1 1 *', '2026-01-01T12:00:30Z', '2027-01-01T00:00:00Z'],
    // Day and day of the week must both match: the next Friday the 13th.
    ['0 0 12 13 * FRI', '2026-01-01T00:00:00Z', '2026-02-13T12:00:00Z'],
  ])('%s after %s comes at %s', (schedule, after, next) => {
    expect(new Date(nextOccurrence(schedule)(Date.parse(after)))).toEqual(new Date(next));
  });

  it.each(['*/5 * * * *', '0 0 0 L * *', '0 0 0 * * FRI#2', '%SweepSchedule%', '00:05:00', '0 61 * * * *', '', '0 0 0 30 2 * 2026'])(
    'is refused when it is no NCRONTAB expression of six fields: "%s"',
    (schedule) => {
      expect(() => nextOccurrence(schedule)).toThrow();
    },
  );
});

function given(options: { schedule?: string; runOnStartup?: boolean; useMonitor?: boolean; run?: () => Promise<void> } = {}) {
  const clock = new ManualClock(START);
  const fired: { at: string; info: TimerInfo }[] = [];
  const { run, ...timer } = options;
  const stop = startTimer(clock, { schedule: '0 * * * * *', runOnStartup: false, ...timer }, async (info) => {
    fired.push({ at: new Date(clock.now()).toISOString().slice(11, 19), info });
    await run?.();
  });
  return { clock, fired, stop };
}

describe('a timer', () => {
  it('fires at each occurrence and tells when it ran and when it will', async () => {
    const { clock, fired } = given();
    await clock.advanceTo(at('12:02:00.000'));
    expect(fired.map((run) => run.at)).toEqual(['12:01:00', '12:02:00']);
    expect(fired[1]?.info).toEqual({
      Schedule: { AdjustForDST: true },
      ScheduleStatus: { Last: '2026-01-01T12:01:00.000Z', Next: '2026-01-01T12:03:00.000Z', LastUpdated: '2026-01-01T12:01:00.000Z' },
      IsPastDue: false,
    });
  });

  it('fires at the start when asked to, then on schedule', async () => {
    const { clock, fired } = given({ runOnStartup: true });
    await clock.advanceTo(at('12:01:00.000'));
    expect(fired.map((run) => [run.at, run.info.IsPastDue])).toEqual([
      ['12:00:30', false],
      ['12:01:00', false],
    ]);
  });

  it('has no status when it is not monitored', async () => {
    for (const options of [{ useMonitor: false }, { schedule: '*/30 * * * * *' }]) {
      const { clock, fired } = given(options);
      await clock.advanceTo(at('12:01:00.000'));
      expect(fired.at(-1)?.info.ScheduleStatus).toBeNull();
    }
  });

  it.each([
    ['one occurrence', '12:02:30', '12:03:00'],
    ['several', '12:04:30', '12:05:00'],
  ])('never overlaps itself; when it missed %s meanwhile, that is one run, past due, at once', async (_missed, ended, following) => {
    let finish = () => {};
    let runs = 0;
    const { clock, fired } = given({
      run: () => {
        runs += 1;
        return runs > 1
          ? Promise.resolve()
          : new Promise((resolve) => {
              finish = resolve;
            });
      },
    });
    await clock.advanceTo(at(`${ended}.000`));
    expect(fired.map((run) => run.at)).toEqual(['12:01:00']);
    finish();
    await clock.advanceTo(at(`${following}.000`));
    expect(fired.map((run) => [run.at, run.info.IsPastDue])).toEqual([
      ['12:01:00', false],
      [ended, true],
      [following, false],
    ]);
  });

  it('that the machine slept through runs once, past due', async () => {
    const { clock, fired } = given();
    clock.sleepUntil(at('12:10:30.000'));
    await clock.advanceTo(at('12:11:00.000'));
    expect(fired.map((run) => [run.at, run.info.IsPastDue])).toEqual([
      ['12:10:30', true],
      ['12:11:00', false],
    ]);
  });

  it('that has been stopped does not fire, nor after a run under way', async () => {
    const idle = given();
    idle.stop();
    await idle.clock.advanceTo(at('12:05:00.000'));
    expect(idle.fired).toEqual([]);

    let finish = () => {};
    const busy = given({
      run: () =>
        new Promise((resolve) => {
          finish = resolve;
        }),
    });
    await busy.clock.advanceTo(at('12:01:00.000'));
    busy.stop();
    finish();
    await settled();
    await busy.clock.advanceTo(at('12:05:00.000'));
    expect(busy.fired).toHaveLength(1);
  });
});
