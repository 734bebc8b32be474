/** Messages of a queue that holds events, and the file of an exported journal, which anybody may have had in hand. */
import fc from 'fast-check';
import { readEvent } from '../../../src/intake/delivery.ts';
import { eventsOf } from '../../../src/intake/queued-events.ts';
import { ArchiveReader, ArchiveWriter } from '../../../src/journal/archive.ts';
import { hashJson } from '../../../src/journal/hash.ts';
import { GENESIS_HASH } from '../../../src/journal/stream.ts';
import { textInputs } from '../inputs.ts';
import { events } from '../samples.ts';
import { type Target, target } from '../target.ts';

const messages = events.flatMap((event) => [JSON.stringify(event), Buffer.from(JSON.stringify(event)).toString('base64')]);

const queued = target<string>(
  {
    name: 'queued-message',
    share: 4_000,
    inputs: textInputs(messages),
    large: [{ what: '1 MiB of base64 of nothing', input: () => 'AAAA'.repeat(262_144) }],
  },
  (message) => eventsOf(message).map((event) => readEvent(event, 0)),
);

/** A whole one, of one stream with one commit. */
function archive(): string {
  const unsigned = {
    version: 1,
    schema: 1,
    at: 0,
    deliveryId: 'd',
    actor: 'kim',
    events: [{ type: 'x' }],
    message: 'm',
    prevHash: GENESIS_HASH,
  };
  const hash = hashJson(unsigned);
  const writer = new ArchiveWriter();
  const stream = 'mesh/shop';
  return [
    writer.begin(0),
    writer.line({ kind: 'stream', stream, version: 1, hash, pending: {} }),
    writer.line({ kind: 'commit', stream, body: { ...unsigned, hash } }),
    writer.line({ kind: 'document', document: { partition: 'spec/shop', id: 'a', kind: 'service-spec', ordinal: 0, body: {} } }),
    writer.end(),
  ].join('\n');
}

const exported = target<string>(
  {
    name: 'journal-archive',
    share: 4_000,
    inputs: fc.oneof(textInputs([archive()]), textInputs(archive().split('\n'))),
    large: [{ what: '1 MiB of nested lists in a line', input: () => `${archive().split('\n')[0]}\n${'['.repeat(1024 * 1024)}` }],
  },
  (text) => {
    const reader = new ArchiveReader();
    for (const line of text.split('\n')) {
      const read = reader.read(line);
      if ('reason' in read) return read;
    }
    return reader.finish();
  },
);

export const archiveTargets: readonly Target[] = [queued, exported];
