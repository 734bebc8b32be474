/**
 * Dead letters as Event Grid writes them into a container: `<SUBSCRIPTION>/<year>/<month>/<day>/<hour>/<id>.json`, each blob a list of
 * one or more events with the reason beside what the sender said, in lower case for CloudEvents
 * (https://learn.microsoft.com/azure/event-grid/manage-event-delivery).
 */
import type { ContainerClient } from '@azure/storage-blob';
import { z } from 'zod';
import type { DeadLetterPlace } from '../dead-letters.ts';
import type { StorageCredential } from './queue-alarms.ts';
import { storageRefusal } from './storage-refusal.ts';

/** Event Grid takes no event over 1 MB; a blob with more than this of them is not looked into for its reason. */
const LARGEST_BYTES = 4 * 1024 * 1024;

/** `url`: of the container; without a credential one that is signed. */
export async function openContainer(url: string, credential: StorageCredential | undefined): Promise<ContainerClient> {
  const { ContainerClient } = await import('@azure/storage-blob');
  return new ContainerClient(url, credential, { retryOptions: { maxTries: 3, tryTimeoutInMs: 5_000, maxRetryDelayInMs: 1_000 } });
}

const text = z.string().max(512);
const lettersSchema = z
  .array(
    z
      .record(z.string(), z.unknown())
      .transform((event) => Object.fromEntries(Object.entries(event).map(([name, value]) => [name.toLowerCase(), value])))
      .pipe(
        z.object({
          id: text.optional().catch(undefined),
          type: text.optional().catch(undefined),
          eventtype: text.optional().catch(undefined),
          deadletterreason: text.optional().catch(undefined),
          deliveryattempts: z.coerce.number().optional().catch(undefined),
          lastdeliveryoutcome: text.optional().catch(undefined),
        }),
      ),
  )
  .min(1);

/** `open` is called when it is first looked into. */
export function deadLetterBlobs(open: () => Promise<ContainerClient>): DeadLetterPlace {
  let opened: Promise<ContainerClient> | undefined;
  const opening = (): Promise<ContainerClient> => {
    opened ??= open();
    return opened;
  };
  const blobOf = async (id: string) => (await opening()).getBlockBlobClient(Buffer.from(id, 'base64url').toString());

  async function look(id: string): Promise<string | undefined> {
    try {
      return (await (await blobOf(id)).downloadToBuffer()).toString('utf8');
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  return {
    name: 'dead-letters',
    holds: 'events',
    async list(limit) {
      const container = await opening();
      try {
        return await newestOf(container, limit, look);
      } catch (error) {
        const { accountName, containerName: name } = container;
        throw storageRefusal(error, { kind: 'container', name, accountName, refuses: 'shows nothing to' });
      }
    },
    look,
    async take(id) {
      const text = await look(id);
      return text === undefined ? undefined : { text, remove: async () => void (await (await blobOf(id)).deleteIfExists()) };
    },
  };
}

/** Names begin with the subscription, so the newest are not the first: all names are looked at, and few are read. */
async function newestOf(container: ContainerClient, limit: number, look: (id: string) => Promise<string | undefined>) {
  const found = [];
  for await (const { name, properties } of container.listBlobsFlat()) {
    found.push({ name, at: (properties.createdOn ?? properties.lastModified).getTime(), bytes: properties.contentLength ?? 0 });
  }
  const letters = [];
  for (const { name, at, bytes } of found.sort((a, b) => b.at - a.at).slice(0, limit)) {
    const id = Buffer.from(name).toString('base64url');
    const content = bytes > LARGEST_BYTES ? '' : await look(id);
    // Sent again by somebody else meanwhile.
    if (content !== undefined) letters.push({ id, at, ...wordsOf(name, content) });
  }
  return letters;
}

function wordsOf(name: string, content: string): { readonly reason: string; readonly message: string } {
  const subscription = name.split('/')[0] ?? name;
  const [first, ...others] = lettersSchema.safeParse(parsed(content)).data ?? [];
  if (!first) return { reason: 'NotReadable', message: `A blob of the subscription ${subscription} that holds no events.` };
  const { id = 'without an id', type, eventtype, deadletterreason, deliveryattempts, lastdeliveryoutcome } = first;
  const many = others.length === 0 ? '' : `, and ${others.length} more`;
  const tried = deliveryattempts === undefined ? '' : ` after ${deliveryattempts} tries`;
  const last = lastdeliveryoutcome === undefined ? '' : `; the last answer was ${lastdeliveryoutcome}`;
  return {
    reason: deadletterreason ?? 'NotDelivered',
    message: `${type ?? eventtype ?? 'An event'} ${id}${many} of the subscription ${subscription}: not delivered${tried}${last}.`,
  };
}

const isGone = (error: unknown): boolean => z.object({ statusCode: z.literal(404) }).safeParse(error).success;

function parsed(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}
