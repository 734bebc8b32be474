/** When a message is handed out, how often, and what becomes of one that fails; time is turned by hand. */
import { describe, expect, it } from 'vitest';
import { MemoryQueues, type QueueMessage } from '../../../src/local/host/queue.ts';
import { ManualClock, settled } from './manual-clock.ts';

const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

function given(settings: { visibilityTimeoutMs?: number; maxDequeueCount?: number; concurrency?: number } = {}) {
  const clock = new ManualClock(START);
  const queues = new MemoryQueues(clock, {
    visibilityTimeoutMs: 0,
    maxDequeueCount: 5,
    concurrency: 24,
    largestTextBytes: 100,
    ...settings,
  });
  return { clock, queues };
}

describe('a message', () => {
  it('is handed out at the very moment it becomes visible, and once', async () => {
    const { clock, queues } = given();
    const seen: [number, string][] = [];
    queues.subscribe('alarms', async ({ text }) => seen.push([clock.now() - START, text]));
    queues.enqueue('alarms', 'late', { visibleAt: START + 5000 });
    queues.enqueue('alarms', 'soon', { visibleAt: START + 1234 });
    queues.enqueue('alarms', 'now');
    await clock.advanceTo(START + DAY);
    expect(seen).toEqual([
      [0, 'now'],
      [1234, 'soon'],
      [5000, 'late'],
    ]);
    expect(queues.waiting('alarms')).toEqual([]);
  });

  it('waits for a subscriber, in the order it became visible', async () => {
    const { clock, queues } = given();
    queues.enqueue('alarms', 'second', { visibleAt: START + 10 });
    queues.enqueue('alarms', 'first');
    queues.enqueue('alarms', 'third', { visibleAt: START + 10 });
    await clock.advanceTo(START + MINUTE);
    expect(queues.waiting('alarms').map(({ text }) => text)).toEqual(['first', 'second', 'third']);
    const seen: string[] = [];
    queues.subscribe('alarms', async ({ text }) => seen.push(text));
    await settled();
    expect(seen).toEqual(['first', 'second', 'third']);
  });

  it('carries what Azure tells about it', async () => {
    const { clock, queues } = given({ visibilityTimeoutMs: 3000 });
    const seen: QueueMessage[] = [];
    queues.subscribe('alarms', async (message) => {
      seen.push(message);
      if (seen.length === 1) throw new Error('once');
    });
    const id = queues.enqueue('alarms', 'text', { visibleAt: START + 500, timeToLiveMs: MINUTE });
    await clock.advanceTo(START + MINUTE);
    expect(seen).toMatchObject([
      { id, text: 'text', insertedAt: START, expiresAt: START + MINUTE, dequeueCount: 1, visibleAt: START + 500 + 10 * MINUTE },
      { id, text: 'text', insertedAt: START, expiresAt: START + MINUTE, dequeueCount: 2, visibleAt: START + 3500 + 10 * MINUTE },
    ]);
    expect(new Set(seen.map(({ popReceipt }) => popReceipt)).size).toBe(2);
  });

  it('that fails comes again after the visibility time-out, and goes to the poison queue at the last failure', async () => {
    const { clock, queues } = given({ visibilityTimeoutMs: 1000, maxDequeueCount: 5 });
    const tries: number[] = [];
    queues.subscribe('alarms', async () => {
      tries.push(clock.now() - START);
      throw new Error('always');
    });
    queues.enqueue('alarms', 'bad');
    await clock.advanceTo(START + DAY);
    expect(tries).toEqual([0, 1000, 2000, 3000, 4000]);
    expect(queues.waiting('alarms')).toEqual([]);
    expect(queues.waiting('alarms-poison')).toMatchObject([{ text: 'bad', dequeueCount: 0, insertedAt: START + 4000 }]);
  });

  it('is gone when its time to live is over', async () => {
    const { clock, queues } = given();
    queues.enqueue('alarms', 'short', { timeToLiveMs: 1000 });
    queues.enqueue('alarms', 'default');
    await clock.advanceTo(START + 1000);
    expect(queues.waiting('alarms').map(({ text }) => text)).toEqual(['default']);
    await clock.advanceTo(START + 7 * DAY);
    const seen: string[] = [];
    queues.subscribe('alarms', async ({ text }) => seen.push(text));
    await settled();
    expect(seen).toEqual([]);
  });

  it('is refused where Azure would refuse it', () => {
    const { queues } = given();
    expect(() => queues.enqueue('alarms', 'é'.repeat(51))).toThrow('over 100 bytes');
    expect(() => queues.enqueue('alarms', 'x', { visibleAt: START + 7 * DAY })).toThrow('expire before anyone sees it');
    expect(() => queues.enqueue('alarms', 'x', { visibleAt: START + 8 * DAY, timeToLiveMs: 9 * DAY })).toThrow('up to seven days');
    for (const name of ['Alarms', 'al', 'al--arms', '-alarms']) expect(() => queues.enqueue(name, 'x')).toThrow('no queue name');
  });
});

it('no more messages are worked on at a time than allowed', async () => {
  const { queues } = given({ concurrency: 2 });
  const finish: (() => void)[] = [];
  queues.subscribe('alarms', () => new Promise<void>((resolve) => finish.push(resolve)));
  for (const text of ['a', 'b', 'c']) queues.enqueue('alarms', text);
  expect(finish).toHaveLength(2);
  expect(queues.waiting('alarms').map(({ text }) => text)).toEqual(['c']);
  finish[0]?.();
  await settled();
  expect(finish).toHaveLength(3);
});

it('a stopped queue hands out nothing, neither what is waiting nor what comes', async () => {
  const { clock, queues } = given();
  const seen: string[] = [];
  queues.subscribe('alarms', async ({ text }) => seen.push(text));
  queues.enqueue('alarms', 'hidden', { visibleAt: START + 1000 });
  queues.stop();
  queues.enqueue('alarms', 'later');
  await clock.advanceTo(START + MINUTE);
  expect(seen).toEqual([]);
});

it('a queue whose poison queue could not have a name is refused', () => {
  const { queues } = given();
  queues.enqueue('a'.repeat(57), 'x');
  expect(() => queues.subscribe('a'.repeat(57), async () => {})).toThrow('no queue name');
});

it('a queue has one subscriber', () => {
  const { queues } = given();
  queues.subscribe('alarms', async () => {});
  expect(() => queues.subscribe('alarms', async () => {})).toThrow('Two functions');
});
