/** Who waits for whom among writers of one document in one process. */
import { describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { ContentionError, race } from '../../src/journal/races.ts';

/** One number under an etag of its own: adding to it takes a read and a write, between which others may come. */
function counter() {
  let [value, tries] = [0, 0];
  return {
    value: () => value,
    tries: () => tries,
    async add(): Promise<number | undefined> {
      const read = value;
      tries += 1;
      await new Promise((resolve) => setImmediate(resolve));
      if (value !== read) return undefined;
      value = read + 1;
      return value;
    },
  };
}

describe('a race for one document', () => {
  it('lets each of many win once, with no more than one try in vain each', async () => {
    const documents = new MemoryDocuments();
    const { add, value, tries } = counter();
    const racers = Array.from({ length: 40 }, () => race(documents, 'one', 'busy', add));
    expect((await Promise.all(racers)).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    expect(value()).toBe(40);
    expect(tries()).toBeLessThan(80);
  });

  it('holds nobody up behind a slow call while nobody has lost', async () => {
    const documents = new MemoryDocuments();
    let finish = (_: string) => {};
    const slow = race(documents, 'one', 'busy', () => new Promise<string>((resolve) => (finish = resolve)));
    expect(await race(documents, 'one', 'busy', async () => 'at once')).toBe('at once');
    finish('late');
    expect(await slow).toBe('late');
  });

  it('lines newcomers up behind those who have lost', async () => {
    const documents = new MemoryDocuments();
    const order: string[] = [];
    let lose = () => {};
    const lost = new Promise<void>((resolve) => (lose = resolve));
    let tries = 0;
    const loser = race(documents, 'one', 'busy', async () => {
      tries += 1;
      if (tries === 1) return undefined;
      await lost;
      order.push('loser');
      return 'loser';
    });
    while (tries < 2) await new Promise((resolve) => setImmediate(resolve));
    const newcomer = race(documents, 'one', 'busy', async () => order.push('newcomer'));
    const elsewhere = race(documents, 'another', 'busy', async () => order.push('elsewhere'));
    await elsewhere;
    lose();
    await Promise.all([loser, newcomer]);
    expect(order).toEqual(['elsewhere', 'loser', 'newcomer']);
  });

  it('lets those who wait for nobody pass a line whose first is stuck', async () => {
    const documents = new MemoryDocuments();
    let answer = () => {};
    const stuck = new Promise<void>((resolve) => (answer = resolve));
    let tries = 0;
    const first = race(documents, 'one', 'busy', async () => {
      tries += 1;
      if (tries === 1) return undefined;
      await stuck;
      return 'first';
    });
    while (tries < 2) await new Promise((resolve) => setImmediate(resolve));
    let lost = 0;
    // It loses too, more than once, and still stands in no line.
    const urgent = race(documents, 'one', 'busy', async () => (lost++ < 3 ? undefined : 'urgent'), false);
    expect(await urgent).toBe('urgent');
    answer();
    expect(await first).toBe('first');
  });

  it('goes on with the next when one throws, and gives up with a sentence when every try came too late', async () => {
    const documents = new MemoryDocuments();
    let tries = 0;
    const failing = race(documents, 'one', 'busy', async () => {
      tries += 1;
      if (tries === 1) return undefined;
      throw new Error('the store is away');
    });
    const hopeless = race(documents, 'one', 'The document is being written without pause.', async () => undefined);
    await expect(failing).rejects.toThrow('the store is away');
    await expect(hopeless).rejects.toThrow(new ContentionError('The document is being written without pause.'));
    expect(await race(documents, 'one', 'busy', async () => 'fine')).toBe('fine');
  });
});
