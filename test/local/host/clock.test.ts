/** The wall clock wakes at or after the time asked for, never before, and can be called off. */
import { expect, it } from 'vitest';
import { wallClock } from '../../../src/local/host/clock.ts';

it('wakes no earlier than asked', async () => {
  const wakes = Array.from({ length: 20 }, (_, index) => {
    const time = wallClock.now() + index;
    return new Promise<boolean>((resolve) => wallClock.at(time, () => resolve(wallClock.now() >= time)));
  });
  expect(await Promise.all(wakes)).not.toContain(false);
});

it('does not wake whoever has called it off', async () => {
  let woken = false;
  wallClock.at(wallClock.now() + 1, () => {
    woken = true;
  })();
  await new Promise<void>((resolve) => wallClock.at(wallClock.now() + 5, resolve));
  expect(woken).toBe(false);
});
