/**
 * A process of its own that writes to a state file, for tests with several processes and with `kill -9`.
 * `node sqlite-writer.ts <file> stream`: pairs of documents in batches, eight at a time, until it is killed; prints each batch's
 * number once it is acknowledged. `… count <times>`: adds one to a shared count so many times, by compare and swap, then ends.
 */

import { SqliteDocuments } from '../../src/adapters/sqlite-documents.ts';

const [path = '', mode, times] = process.argv.slice(2);
const documents = new SqliteDocuments(path);

async function stream(lane: number): Promise<never> {
  for (let batch = lane; ; batch += 8) {
    const pair = ['left', 'right'].map(
      (side) =>
        ({
          op: 'create',
          document: { partition: 'pairs', id: `${batch}-${side}`, kind: 'half', ordinal: batch, body: { batch } },
        }) as const,
    );
    const { outcome } = await documents.batch('pairs', pair);
    process.stdout.write(`${batch} ${outcome}\n`);
  }
}

async function add(): Promise<void> {
  for (;;) {
    const found = await documents.read('counts', 'head');
    const count = (found?.document.ordinal ?? 0) + 1;
    const head = { partition: 'counts', id: 'head', kind: 'head', ordinal: count, body: {} };
    const step = { partition: 'counts', id: `step-${count}`, kind: 'step', ordinal: count, body: { by: process.pid } };
    const { outcome } = await documents.batch('counts', [
      { op: 'create', document: step },
      found === undefined ? { op: 'create', document: head } : { op: 'replace', document: head, etag: found.etag },
    ]);
    if (outcome === 'written') {
      return;
    }
  }
}

if (mode === 'stream') {
  await Promise.all(Array.from({ length: 8 }, (_, lane) => stream(lane)));
}
for (let done = 0; done < Number(times); done += 1) {
  await add();
}
documents.close();
