/**
 * Alarms on a queue of Azure Storage: a message that nobody sees until a stream has come due. `functions/alarms.ts` takes it. An
 * alarm may come early, twice or never: the sweep finds what is due. Limits: a message is hidden for seven days at most and
 * for less than it lives (https://learn.microsoft.com/rest/api/storageservices/put-message).
 */
import type { TokenCredential } from '@azure/identity';
import type { QueueClient, StorageSharedKeyCredential } from '@azure/storage-queue';
import { storageRefusal } from './storage-refusal.ts';

const DAY_S = 24 * 3_600;
/** Of what is farther away an alarm comes too early, and the one who is woken by it asks for the next. */
const HIDDEN_FOR_AT_MOST_S = 6 * DAY_S;
/** An app that slept through it has swept when it woke: what is still there then wakes nobody in vain for weeks. */
const LIVES_AFTERWARDS_S = DAY_S;

/** Managed identity on Azure; a key where there is none, as on the emulator. */
export type StorageCredential = TokenCredential | StorageSharedKeyCredential;

/** Made for each queue once, as `@azure/storage-queue` is loaded when it is. `url`: of the queue. */
export async function openQueue(url: string, credential: StorageCredential): Promise<QueueClient> {
  const { QueueClient } = await import('@azure/storage-queue');
  // Whoever commits waits for this: better a lost alarm, which the sweep makes good within a minute, than a slow answer.
  return new QueueClient(url, credential, {
    retryOptions: { maxTries: 2, tryTimeoutInMs: 2_000, retryDelayInMs: 100, maxRetryDelayInMs: 400 },
  });
}

/** Asks for `wake(stream)` at `at` (epoch ms). Text as host.json has it: `messageEncoding` none. @throws when the queue cannot be reached. */
export function alarmsOn(queue: QueueClient, now: () => number): (stream: string, at: number) => Promise<void> {
  return async (stream, at) => {
    const hidden = Math.min(HIDDEN_FOR_AT_MOST_S, Math.max(0, Math.ceil((at - now()) / 1_000)));
    const lives = { visibilityTimeout: hidden, messageTimeToLive: hidden + LIVES_AFTERWARDS_S };
    try {
      await queue.sendMessage(JSON.stringify({ stream }), lives);
    } catch (error) {
      throw storageRefusal(error, { ...queueOf(queue), refuses: 'takes no message of' });
    }
  };
}

export const queueOf = ({ accountName, name }: QueueClient) => ({ kind: 'queue', accountName, name }) as const;
