/** The journal streamed into an audit log: every commit, in the order of its stream, however often the log or the store fails in between. */
import { describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../src/adapters/memory-documents.ts';
import { streamJournal } from '../src/auditing.ts';
import { type AuditLog, type AuditRow, auditRow, MOST_BYTES } from '../src/journal/audit-rows.ts';
import type { JsonObject } from '../src/journal/documents.ts';
import { sha256 } from '../src/journal/hash.ts';
import { GENESIS_HASH } from '../src/journal/stream.ts';
import { deployment, shop, World } from './world.ts';

/** Keeps what it took; refuses while it is told to, after it has taken the rows where that is asked. */
class Kept implements AuditLog {
  readonly requests: (readonly AuditRow[])[] = [];
  refusing: 'nothing' | 'before' | 'after' = 'nothing';

  async send(rows: readonly AuditRow[]): Promise<void> {
    if (this.refusing === 'before') throw new Error('throttled');
    this.requests.push(rows);
    if (this.refusing === 'after') throw new Error('the answer was lost');
  }

  /** Versions in the order in which they came, by stream. */
  versions(): Record<string, number[]> {
    const found: Record<string, number[]> = {};
    for (const { Stream, Version } of this.requests.flat()) found[Stream] = [...(found[Stream] ?? []), Version];
    return found;
  }
}

/** Of each stream, all there are. */
async function all({ app: { archive } }: World): Promise<Record<string, number[]>> {
  const heads = await archive.streams();
  return Object.fromEntries(heads.map(({ stream, version }) => [stream, Array.from({ length: version }, (_each, index) => index + 1)]));
}

const body = (version: number, more: Partial<Record<string, string>> = {}, evidence: JsonObject = {}): JsonObject => ({
  version,
  schema: 1,
  at: Date.parse('2026-11-22T10:00:00Z'),
  deliveryId: `d${version}`,
  actor: 'kim',
  evidence,
  events: [{ type: 'RolloutPaused', reason: 'lunch' }],
  message: 'The rollout is paused.',
  prevHash: sha256(`${version - 1}`),
  hash: sha256(`${version}`),
  ...more,
});

/** A journal of one stream with as many commits as asked for, each with this evidence; from `anew` on, others than another journal has. */
const journalOf = (commits: number, evidence: JsonObject, anew = Number.POSITIVE_INFINITY) => {
  const hashOf = (version: number) => (version === 0 ? GENESIS_HASH : sha256(`${version}${version < anew ? '' : ' anew'}`));
  const commit = (version: number) => body(version, { prevHash: hashOf(version - 1), hash: hashOf(version) }, evidence);
  return {
    streams: async () => [{ stream: 's', version: commits, hash: hashOf(commits), pending: {} }],
    commits: async (_stream: string, after: number, limit: number) =>
      Array.from({ length: Math.min(limit, commits - after) }, (_each, index) => commit(after + index + 1)),
  };
};

describe('the audit log', () => {
  it('gets a row of every commit, once, and only what is new the next time', async () => {
    const auditLog = new Kept();
    const world = await shop({ auditLog });
    expect(await world.app.streamJournal()).toMatchObject({ outcome: 'streamed', more: false });
    expect(auditLog.versions()).toEqual(await all(world));
    expect(await world.app.streamJournal()).toEqual({ outcome: 'streamed', rows: 0, more: false });
    expect(auditLog.requests).toHaveLength(1);
    await world.app.receiveEvent(deployment('d1', 'catalog', 'v2'));
    await world.app.streamJournal();
    expect(auditLog.requests).toHaveLength(2);
    expect(auditLog.versions()).toEqual(await all(world));
  });

  it('is told who, what, why and by which hashes', () => {
    expect(auditRow('service/shop/catalog', body(3, {}, { alert: 'errors', weight: 10 }))).toEqual({
      TimeGenerated: '2026-11-22T10:00:00.000Z',
      CommittedAt: '2026-11-22T10:00:00.000Z',
      Stream: 'service/shop/catalog',
      Version: 3,
      DeliveryId: 'd3',
      Actor: 'kim',
      Events: ['RolloutPaused'],
      Message: 'The rollout is paused.',
      Evidence: { alert: 'errors', weight: 10 },
      PreviousHash: sha256('2'),
      Hash: sha256('3'),
    });
  });

  it('gets small rows of large commits', () => {
    const long = 'x'.repeat(100_000);
    const fields = Object.fromEntries(Array.from({ length: 500 }, (_each, index) => [`${index}${long}`, long]));
    const row = auditRow('s', body(1, { message: long, actor: long, deliveryId: long }, fields));
    expect(row.Message).toBe(`${'x'.repeat(1_000)}…`);
    expect(JSON.stringify(row).length).toBeLessThan(100_000);
  });

  it.each(['before', 'after'] as const)('that fails %s it has taken rows gets them again, and those after them, in order', async (when) => {
    const auditLog = new Kept();
    const world = await shop({ auditLog });
    auditLog.refusing = when;
    await expect(world.app.streamJournal()).rejects.toThrow(when === 'before' ? 'throttled' : 'the answer was lost');
    await world.app.receiveEvent(deployment('d1', 'catalog', 'v2'));
    auditLog.refusing = 'nothing';
    const before = auditLog.requests.length;
    await world.app.streamJournal();
    auditLog.requests.splice(0, before);
    expect(auditLog.versions()).toEqual(await all(world));
  });

  it('gets requests of no more than it takes, and the rest with the next turns: nothing twice, nothing passed over', async () => {
    const log = new Kept();
    const documents = new MemoryDocuments();
    const archive = journalOf(700, Object.fromEntries(Array.from({ length: 30 }, (_each, index) => [`${index}`, 'ä'.repeat(900)])));
    const first = await streamJournal({ documents, archive, log });
    expect(first).toMatchObject({ outcome: 'streamed', more: true });
    for (const rows of log.requests) expect(Buffer.byteLength(JSON.stringify(rows))).toBeLessThanOrEqual(MOST_BYTES + 1);
    let turns = 1;
    for (let more = true; more && turns < 10; turns += 1) {
      const streamed = await streamJournal({ documents, archive, log });
      more = streamed.outcome === 'streamed' && streamed.more;
    }
    expect(turns).toBeGreaterThan(1);
    expect(log.versions()).toEqual({ s: Array.from({ length: 700 }, (_each, index) => index + 1) });
  });

  it.each([
    ['is shorter', 4],
    ['is as long', 6],
    ['is longer', 9],
  ])('gets the whole of a stream again that was brought back to an older state, went on from there, and %s', async (_what, commits) => {
    const log = new Kept();
    const documents = new MemoryDocuments();
    await streamJournal({ documents, archive: journalOf(6, {}), log });
    log.requests.splice(0);
    const archive = journalOf(commits, {}, 4);
    expect(await streamJournal({ documents, archive, log })).toEqual({ outcome: 'streamed', rows: commits, more: false });
    expect(log.requests.flat().map(({ Hash }) => Hash)).toContain(sha256('4 anew'));
    expect(await streamJournal({ documents, archive, log })).toEqual({ outcome: 'streamed', rows: 0, more: false });
  });

  it('that nobody named gets nothing', async () => {
    expect(await new World().app.streamJournal()).toEqual({ outcome: 'nowhere' });
  });
});
