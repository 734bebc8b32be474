/**
 * Whatever call a process dies at, before or after its effect: given again and swept, the stream ends where it would have
 * ended, nothing owed is lost, and what can be told apart happens once.
 */
import { describe, expect, it } from 'vitest';
import type { Documents } from '../../src/journal/documents.ts';
import { commitsOf, verifyChain } from '../../src/journal/history.ts';
import { CLAIM_MS, settle } from '../../src/journal/journal.ts';
import type { PendingEffect } from '../../src/journal/stream.ts';
import type { DocumentsUnderTest } from './documents.samples.ts';
import { claim, pendingOf } from './journal-effects.contract.ts';
import { add, CARD, ledger, SERVE, T0 } from './ledger.ts';
import { Crash, type Fault, UnreliableDocuments } from './unreliable-documents.ts';

/** Somebody outside who is given effects, tells them apart by their key, and may have been given one that nobody knows of. */
class Outside {
  readonly received: string[] = [];
  readonly happened = new Set<string>();

  take(stream: string, { kind, target, revision }: PendingEffect): void {
    const key = `${stream} ${kind}/${target}@${revision}`;
    this.received.push(key);
    this.happened.add(key);
  }
}

async function run(documents: Documents, outside: Outside, stream: string, claimed: readonly PendingEffect[]): Promise<void> {
  for (const effect of claimed) outside.take(stream, effect);
  if (claimed.length > 0)
    await settle(
      documents,
      ledger,
      stream,
      claimed.map((effect) => ({ effect, outcome: 'done' })),
    );
}

/** What one process does with one delivery. */
async function deliver(documents: Documents, outside: Outside, stream: string, now: number): Promise<void> {
  const { claimed } = await add(documents, 'd1', 5, { stream, now, effects: [SERVE, CARD] });
  await run(documents, outside, stream, claimed);
}

async function sweep(documents: Documents, outside: Outside, now: number): Promise<void> {
  for (const { partition } of await documents.due(now, 100))
    await run(documents, outside, partition, await claim(documents, now, partition));
}

export function describeCrashes(under: () => DocumentsUnderTest): void {
  describe('a process that dies', () => {
    it.each(['redelivered', 'never given again'])('at any call leaves nothing undone (%s)', async (after) => {
      const { documents } = under();
      const counting = new UnreliableDocuments(documents);
      await deliver(counting, new Outside(), 'service/shop/counted', T0);
      expect(counting.calls).toBeGreaterThanOrEqual(4);

      for (let call = 0; call < counting.calls; call += 1) {
        for (const when of ['before', 'after'] as const) {
          const fault: Fault = { call, when };
          const stream = `service/shop/${after.split(' ')[0]}-${when}-${call}`;
          const outside = new Outside();
          await expect(deliver(new UnreliableDocuments(documents, fault), outside, stream, T0)).rejects.toThrow(Crash);
          const committed = (await commitsOf(documents, stream)).length === 1;
          if (after === 'redelivered') await deliver(documents, outside, stream, T0 + 1000);
          await sweep(documents, outside, T0 + CLAIM_MS + 1000);

          const expected = committed || after === 'redelivered' ? 1 : 0;
          expect(await verifyChain(documents, ledger, stream), JSON.stringify(fault)).toEqual({ holds: true, commits: expected });
          expect(await pendingOf(documents, stream), JSON.stringify(fault)).toEqual({});
          expect([...outside.happened].sort(), JSON.stringify(fault)).toEqual(
            expected === 1 ? [`${stream} card/1.1@1`, `${stream} serve/edge@1`] : [],
          );
          // Twice is for those only whose process died between doing and saying so.
          expect(outside.received.length).toBeLessThanOrEqual(4);
        }
      }
      expect(await documents.due(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    });

    it('at any call of the sweep leaves what it took up to the next one', async () => {
      const { documents } = under();
      for (let call = 0; call < 5; call += 1) {
        for (const when of ['before', 'after'] as const) {
          const stream = `service/shop/swept-${when}-${call}`;
          const outside = new Outside();
          await add(documents, 'd1', 5, { stream, effects: [SERVE, CARD] });
          const now = T0 + CLAIM_MS;
          await expect(sweep(new UnreliableDocuments(documents, { call, when }), outside, now)).rejects.toThrow(Crash);
          await sweep(documents, outside, now + CLAIM_MS - 1);
          await sweep(documents, outside, now + CLAIM_MS);
          expect(await pendingOf(documents, stream)).toEqual({});
          expect(outside.happened.size).toBe(2);
        }
      }
    });

    it('holds up nobody: what it had claimed is taken by another after the claim, and not before', async () => {
      const { documents, other } = under();
      const stream = 'service/shop/held';
      const outside = new Outside();
      // Its third call settles.
      await expect(deliver(new UnreliableDocuments(documents, { call: 2, when: 'before' }), outside, stream, T0)).rejects.toThrow(Crash);
      expect(outside.received).toHaveLength(2);
      await sweep(other, outside, T0 + CLAIM_MS - 1);
      expect(outside.received).toHaveLength(2);
      await sweep(other, outside, T0 + CLAIM_MS);
      expect(outside.received).toHaveLength(4);
      expect(outside.happened.size).toBe(2);
    });
  });
}
