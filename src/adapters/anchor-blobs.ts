/**
 * Anchors as blobs of one container, `<day>.json` each: created once and never written over, whatever policy the container has
 * (`If-None-Match: *`, https://learn.microsoft.com/rest/api/storageservices/put-blob). The command line reads them from there too.
 */
import type { ContainerClient } from '@azure/storage-blob';
import { z } from 'zod';
import type { Anchors } from '../journal/anchors.ts';
import { openContainer } from './dead-letter-blobs.ts';
import type { StorageCredential } from './queue-alarms.ts';
import { storageRefusal } from './storage-refusal.ts';

export interface KeptAnchor {
  readonly day: string;
  readonly text: string;
}

const DAY = /^(\d{4}-\d{2}-\d{2})\.json$/;
const nameOf = (day: string): string => `${day}.json`;
/** Another one was first: of this day there is one. */
const thereSchema = z.object({ statusCode: z.literal(409), code: z.enum(['BlobAlreadyExists', 'BlobImmutableDueToPolicy']) });

/** `open` is called when the first is written. */
export function anchorBlobs(open: () => Promise<ContainerClient>): Anchors {
  let opened: Promise<ContainerClient> | undefined;
  return {
    async write(day, text) {
      opened ??= open();
      const container = await opened;
      try {
        await container.getBlockBlobClient(nameOf(day)).upload(text, Buffer.byteLength(text), {
          conditions: { ifNoneMatch: '*' },
          blobHTTPHeaders: { blobContentType: 'application/json' },
        });
        return 'written';
      } catch (error) {
        if (thereSchema.safeParse(error).success) return 'there';
        const { accountName, containerName: name } = container;
        throw storageRefusal(error, { kind: 'container', name, accountName, refuses: 'takes no anchor of' });
      }
    },
  };
}

/** All that are in the container at `url`, in order of their days; without a credential the address is signed. @throws whatever the storage refuses with. */
export async function keptAnchors(url: string, credential?: StorageCredential): Promise<readonly KeptAnchor[]> {
  const container = await openContainer(url, credential);
  const anchors = [];
  for await (const { name } of container.listBlobsFlat()) {
    const [, day] = DAY.exec(name) ?? [];
    if (day === undefined) continue;
    anchors.push({ day, text: (await container.getBlockBlobClient(name).downloadToBuffer()).toString('utf8') });
  }
  return anchors;
}
