/**
 * Messages that the Functions host moved to `<queue>-poison` because their function failed each time
 * (https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger#poison-messages). A queue shows
 * its first 32 messages to who only looks, and to take one out of it is to be given it: so what is read for sending is what
 * was hidden for a moment, and what was not meant is given back at once.
 */
import type { DequeuedMessageItem, QueueClient } from '@azure/storage-queue';
import type { DeadLetterPlace } from '../dead-letters.ts';
import { queueOf } from './queue-alarms.ts';
import { storageRefusal } from './storage-refusal.ts';

/** The most that a queue gives at once. */
const AT_ONCE = 32;
/** Longer than sending again takes; afterwards the message is there again, if it was not removed. */
const HIDDEN_FOR_S = 60;

/** `open` is called when it is first looked into. */
export function poisonQueue(name: string, holds: DeadLetterPlace['holds'], open: () => Promise<QueueClient>): DeadLetterPlace {
  let opened: Promise<QueueClient> | undefined;
  const opening = (): Promise<QueueClient> => {
    opened ??= open();
    return opened;
  };

  /** Goes through the queue until it finds the one. */
  async function receive(queue: QueueClient, id: string): Promise<DequeuedMessageItem | undefined> {
    const others: DequeuedMessageItem[] = [];
    try {
      for (;;) {
        const { receivedMessageItems } = await queue.receiveMessages({ numberOfMessages: AT_ONCE, visibilityTimeout: HIDDEN_FOR_S });
        const found = receivedMessageItems.find(({ messageId }) => messageId === id);
        others.push(...receivedMessageItems.filter((message) => message !== found));
        if (found || receivedMessageItems.length === 0) return found;
      }
    } finally {
      // Others may look for theirs meanwhile.
      await Promise.all(others.map(({ messageId, popReceipt, messageText }) => queue.updateMessage(messageId, popReceipt, messageText, 0)));
    }
  }

  /** A poison queue may not be there before the host has needed it. */
  async function peek(limit: number) {
    const queue = await opening();
    try {
      if (!(await queue.exists())) return [];
      return (await queue.peekMessages({ numberOfMessages: Math.min(AT_ONCE, limit) })).peekedMessageItems;
    } catch (error) {
      throw storageRefusal(error, { ...queueOf(queue), refuses: 'shows nothing to' });
    }
  }

  return {
    name,
    holds,
    async list(limit) {
      return (await peek(limit)).map(({ messageId, insertedOn, messageText }) => ({
        id: messageId,
        at: insertedOn.getTime(),
        reason: 'FailedEachTime',
        message: `A message of ${Buffer.byteLength(messageText)} bytes whose function failed each time it was tried; its log says why.`,
      }));
    },
    async look(id) {
      return (await peek(AT_ONCE)).find(({ messageId }) => messageId === id)?.messageText;
    },
    async take(id) {
      const queue = await opening();
      const found = (await queue.exists()) ? await receive(queue, id) : undefined;
      if (!found) return undefined;
      const { messageId, popReceipt, messageText: text } = found;
      return { text, remove: async () => void (await queue.deleteMessage(messageId, popReceipt)) };
    },
  };
}
