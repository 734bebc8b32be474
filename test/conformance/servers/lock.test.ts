/** The lock over builds: one process at a time, and none left behind by a process that was killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { holdingLock } from './lock.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meshwright-lock-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Holds the lock until it is killed. */
async function otherProcess(file: string): Promise<AsyncDisposable & { kill(): void }> {
  const module = JSON.stringify(join(import.meta.dirname, 'lock.ts'));
  const hold = `import(${module}).then(({ holdingLock }) => holdingLock(${JSON.stringify(file)}, () => {}, () => {
    console.log('held');
    return new Promise(() => setInterval(() => {}, 1000));
  }))`;
  const child = spawn(process.execPath, ['-e', hold], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  const kill = () => child.kill('SIGKILL');
  return {
    kill,
    async [Symbol.asyncDispose]() {
      kill();
      await ended;
    },
  };
}

describe('the lock over builds', () => {
  it('is had by one at a time, and says once that it is busy', async () => {
    const file = join(folder, 'lock');
    const order: string[] = [];
    const first = Promise.withResolvers<void>();
    const one = holdingLock(
      file,
      () => order.push('first waits'),
      async () => {
        order.push('first begins');
        await first.promise;
        order.push('first ends');
      },
    );
    const two = holdingLock(
      file,
      () => {
        order.push('second waits');
        first.resolve();
      },
      async () => {
        order.push('second begins');
        first.resolve();
      },
    );
    await Promise.all([one, two]);
    expect(order).toEqual(['first begins', 'second waits', 'first ends', 'second begins']);
  });

  it('goes with the process that has it', async () => {
    const file = join(folder, 'lock');
    const order: string[] = [];
    await using child = await otherProcess(file);
    await holdingLock(
      file,
      () => {
        child.kill();
        order.push('killed');
      },
      async () => order.push('had'),
    );
    expect(order).toEqual(['killed', 'had']);
  });

  it('is given back by work that fails', async () => {
    const file = join(folder, 'lock');
    await expect(
      holdingLock(
        file,
        () => {},
        () => Promise.reject(new Error('no')),
      ),
    ).rejects.toThrow('no');
    expect(
      await holdingLock(
        file,
        () => expect.unreachable(),
        async () => 'free',
      ),
    ).toBe('free');
  });
});
