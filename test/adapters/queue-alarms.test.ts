/** Alarms on Azure's queues, on Azurite: what is hidden for how long, and that the function's own parser takes what was put there. */
import { randomUUID } from 'node:crypto';
import { type QueueClient, StorageSharedKeyCredential } from '@azure/storage-queue';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { alarmsOn, openQueue } from '../../src/adapters/queue-alarms.ts';
import { isMissing } from '../emulators/missing.ts';
import { missingStorageEmulator } from '../emulators/storage/install.ts';
import { ACCOUNT, ACCOUNT_KEY, type StorageEmulator, startStorageEmulator } from '../emulators/storage/start.ts';

const missing = isMissing(await missingStorageEmulator());

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe.skipIf(missing)('with Azurite', () => {
  let storage: StorageEmulator;
  let queue: QueueClient;
  beforeAll(async () => {
    storage = await startStorageEmulator();
  }, 300_000);
  afterAll(() => storage?.stop());
  beforeEach(async () => {
    queue = await openQueue(`${storage.queues}/alarms-${randomUUID()}`, new StorageSharedKeyCredential(ACCOUNT, ACCOUNT_KEY));
    await queue.create();
  });

  /** When the message put in by `setAlarm` becomes visible and when it is gone, in ms after it was put in. */
  async function told(at: number, now: number) {
    const sent: { visibleAfter: number; goneAfter: number }[] = [];
    const watched = queue.sendMessage.bind(queue);
    queue.sendMessage = async (...message) => {
      const answer = await watched(...message);
      const { insertedOn, nextVisibleOn, expiresOn } = answer;
      sent.push({ visibleAfter: nextVisibleOn.getTime() - insertedOn.getTime(), goneAfter: expiresOn.getTime() - insertedOn.getTime() });
      return answer;
    };
    await alarmsOn(queue, () => now)('service/shop/catalog', at);
    return sent;
  }

  it('come when they are due, not before, and as text that the function reads', async () => {
    const now = Date.now();
    expect(await told(now - 5_000, now)).toEqual([{ visibleAfter: 0, goneAfter: DAY }]);
    const { receivedMessageItems } = await queue.receiveMessages();
    expect(receivedMessageItems.map(({ messageText }) => messageText)).toEqual(['{"stream":"service/shop/catalog"}']);
  });

  it('are hidden until then, whole seconds and never too few', async () => {
    const now = Date.now();
    expect(await told(now + HOUR + 1, now)).toEqual([{ visibleAfter: HOUR + 1_000, goneAfter: HOUR + 1_000 + DAY }]);
    expect((await queue.receiveMessages()).receivedMessageItems).toEqual([]);
  });

  it('come early where they are farther away than a message may be hidden', async () => {
    const now = Date.now();
    expect(await told(now + 400 * DAY, now)).toEqual([{ visibleAfter: 6 * DAY, goneAfter: 7 * DAY }]);
  });

  it('throw where there is no queue: who committed says so, and the sweep takes it up', async () => {
    await queue.delete();
    await expect(alarmsOn(queue, Date.now)('service/shop/catalog', 0)).rejects.toThrow();
  });
});
