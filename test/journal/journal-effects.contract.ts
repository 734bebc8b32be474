/** Effects that are owed: kept in the head until done, taken up by one at a time, replaced by newer ones, and woken for. */
import { describe, expect, it } from 'vitest';
import type { Documents } from '../../src/journal/documents.ts';
import { append, CLAIM_MS, claimDue, loadHead, settle } from '../../src/journal/journal.ts';
import type { PendingEffect } from '../../src/journal/stream.ts';
import type { DocumentsUnderTest } from './documents.samples.ts';
import { add, CARD, clock, delivery, ledger, SERVE, STREAM, serveKey, T0 } from './ledger.ts';
import { forwarding } from './unreliable-documents.ts';

export const pendingOf = async (documents: Documents, stream = STREAM) => (await loadHead(documents, ledger, stream)).head.pending;
export const claim = (documents: Documents, now: number, stream = STREAM) => claimDue(documents, ledger, stream, now);
const wakeAtOf = async (documents: Documents) => (await documents.read(STREAM, 'head'))?.document.wakeAt;

export function describeEffects(under: () => DocumentsUnderTest): void {
  const done = (effect: PendingEffect) => settle(under().documents, ledger, STREAM, [{ effect, outcome: 'done' }]);
  const only = (effects: readonly PendingEffect[]): PendingEffect => {
    expect(effects).toHaveLength(1);
    const [effect] = effects;
    if (!effect) throw new Error('no effect');
    return effect;
  };

  describe('effects that are owed', () => {
    it('are in the head with the commit that called for them, claimed by who made it', async () => {
      const { documents } = under();
      const { claimed } = await add(documents, 'd1', 5, { effects: [SERVE, CARD] });
      const common = { revision: 1, since: T0, attempts: 1, notBefore: T0 + CLAIM_MS };
      expect(claimed).toEqual([
        { kind: 'serve', target: 'edge', ...common },
        { kind: 'card', target: '1.1', data: { topic: 'added' }, ...common },
      ]);
      expect(await pendingOf(documents)).toEqual({ [serveKey]: claimed[0], 'card/1.1': claimed[1] });
    });

    it('are taken up by nobody else before their time, and by one then', async () => {
      const { documents, other } = under();
      await add(documents, 'd1', 5, { effects: [SERVE] });
      expect(await claim(other, T0 + CLAIM_MS - 1)).toEqual([]);
      const [one, two] = await Promise.all([claim(documents, T0 + CLAIM_MS), claim(other, T0 + CLAIM_MS)]);
      const taken = only([...one, ...two]);
      expect(taken).toMatchObject({ attempts: 2, notBefore: T0 + 2 * CLAIM_MS, revision: 1 });
      expect(await claim(other, T0 + 2 * CLAIM_MS - 1)).toEqual([]);
      expect(await claim(other, T0 + 2 * CLAIM_MS)).toHaveLength(1);
    });

    it('are gone when they are done, without an event', async () => {
      const { documents } = under();
      const { claimed } = await add(documents, 'd1', 5, { effects: [SERVE] });
      await done(only(claimed));
      const { head } = await loadHead(documents, ledger, STREAM);
      expect(head).toMatchObject({ version: 1, pending: {} });
      expect(await documents.list({ partition: STREAM, kind: 'commit' })).toHaveLength(1);
    });

    it('wait for their next try with the error of the last', async () => {
      const { documents } = under();
      const effect = only((await add(documents, 'd1', 5, { effects: [SERVE] })).claimed);
      await settle(documents, ledger, STREAM, [{ effect, outcome: 'retry', at: T0 + 2000, error: 'no answer' }]);
      expect(await pendingOf(documents)).toEqual({ [serveKey]: { ...effect, notBefore: T0 + 2000, error: 'no answer' } });
      expect(await claim(documents, T0 + 1999)).toEqual([]);
      expect(await claim(documents, T0 + 2000)).toHaveLength(1);
    });

    it('of a newer commit replace those of the same kind and target, and a late settlement leaves the newer one', async () => {
      const { documents } = under();
      const old = only((await add(documents, 'd1', 5, { effects: [SERVE] })).claimed);
      await add(documents, 'd2', 5, { effects: [SERVE], now: T0 + 1000 });
      const renewed = await pendingOf(documents);
      expect(renewed).toMatchObject({ [serveKey]: { revision: 2, since: T0 + 1000, attempts: 1 } });
      await done(old);
      await settle(documents, ledger, STREAM, [{ effect: old, outcome: 'retry', at: T0, error: 'old' }]);
      expect(await pendingOf(documents)).toEqual(renewed);
    });

    it('without a target are each their own', async () => {
      const { documents } = under();
      await add(documents, 'd1', 5, { effects: [CARD, CARD] });
      await add(documents, 'd2', 5, { effects: [CARD] });
      expect(Object.keys(await pendingOf(documents)).sort()).toEqual(['card/1.0', 'card/1.1', 'card/2.0']);
    });

    it('are settled under the newest head: a commit in between is kept', async () => {
      const { documents, other } = under();
      const effect = only((await add(documents, 'd1', 5, { effects: [SERVE] })).claimed);
      let raced = false;
      const racing: Documents = {
        ...forwarding(documents),
        read: async (partition, id) => {
          const found = await documents.read(partition, id);
          if (!raced) {
            raced = true;
            await add(other, 'd2', 10, { effects: [CARD] });
          }
          return found;
        },
      };
      await settle(racing, ledger, STREAM, [{ effect, outcome: 'done' }]);
      const { head } = await loadHead(documents, ledger, STREAM);
      expect(head).toMatchObject({ version: 2, state: { sum: 15 } });
      expect(Object.keys(head.pending)).toEqual(['card/2.0']);
    });

    it('of a stream that is not there are none', async () => {
      const { documents } = under();
      expect(await claim(documents, T0)).toEqual([]);
      expect(await documents.read(STREAM, 'head')).toBeUndefined();
    });
  });

  describe('the time a stream is woken at', () => {
    const falls = (at: number) => ({ kind: 'accepted', events: [{ type: 'FallsDue', at }], effects: [SERVE], message: 'Due.' }) as const;

    it('is that of the earliest thing due: deadline or effect', async () => {
      const { documents } = under();
      const { claimed } = await append(documents, ledger, STREAM, delivery('d1'), clock, () => falls(T0 + 60_000));
      expect(await wakeAtOf(documents)).toBe(T0 + CLAIM_MS);
      const effect = only(claimed);
      await settle(documents, ledger, STREAM, [{ effect, outcome: 'retry', at: T0 + 90_000 }]);
      expect(await wakeAtOf(documents)).toBe(T0 + 60_000);
      await done(effect);
      expect(await wakeAtOf(documents)).toBe(T0 + 60_000);
    });

    it('is none when nothing is due', async () => {
      const { documents } = under();
      const { claimed } = await add(documents, 'd1', 5, { effects: [SERVE] });
      await done(only(claimed));
      expect(await wakeAtOf(documents)).toBeUndefined();
      expect(await documents.due(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    });

    it('is found by the sweep, and moves on when an effect is taken up', async () => {
      const { documents, other } = under();
      await add(documents, 'd1', 5, { effects: [SERVE] });
      expect(await other.due(T0 + CLAIM_MS - 1, 10)).toEqual([]);
      expect(await other.due(T0 + CLAIM_MS, 10)).toEqual([{ partition: STREAM, id: 'head', wakeAt: T0 + CLAIM_MS }]);
      await claim(documents, T0 + CLAIM_MS);
      expect(await other.due(T0 + CLAIM_MS, 10)).toEqual([]);
    });
  });
}
