/** A few inputs for each parser of outside data, always the same; `npm run fuzz` gives them a million. And that a throw is found. */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { jsonInputs } from './inputs.ts';
import { mutatedJson, mutatedText } from './mutations.ts';
import { target, targetLater } from './target.ts';
import { allTargets } from './targets.ts';

const running = await allTargets();
afterAll(() => running.stop());

describe('every parser of outside data', () => {
  it.each(running.targets.map((each) => [each.name, each] as const))('answers or refuses: %s', async (_name, { run, share }) => {
    expect(await run(Math.max(20, Math.min(200, share / 10)), 7)).toBeUndefined();
  });

  it('leaves the prototype of all objects alone', () => {
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});

describe('fuzzing', () => {
  const samples = [{ a: { b: [1, 'two'] } }];
  const nameOf = (value: unknown): unknown => (typeof value === 'object' && value !== null && 'a' in value ? value.a : undefined);

  it('finds a throw, and the input again by its seed and path', async () => {
    const broken = target({ name: 'broken', share: 1, inputs: jsonInputs(samples) }, (input) => JSON.stringify(nameOf(input)).length);
    const found = await broken.run(500, 1);
    expect(found).toMatchObject({ error: expect.stringContaining('TypeError') });
    expect(await broken.run(1, found?.seed ?? 0, found?.path)).toEqual({ ...found, path: expect.any(String), error: expect.any(String) });
  });

  it('finds what is thrown later, and not what is documented', async () => {
    const inputs = fc.string();
    const late = (throws: readonly (typeof RangeError)[]) =>
      targetLater({ name: 'late', share: 1, inputs, throws }, async (text) => {
        if (text.length > 3) throw new RangeError('it is too long');
      });
    expect(await late([]).run(200, 1)).toMatchObject({ error: expect.stringContaining('it is too long') });
    expect(await late([RangeError]).run(200, 1)).toBeUndefined();
  });

  it('finds an input again that was only one of many, and leaves out those before it', async () => {
    let seen = 0;
    const inputs = fc.string({ minLength: 1 });
    const rare = target({ name: 'rare', share: 1, inputs }, (text) => {
      seen += 1;
      if (text.startsWith('a')) throw new Error('it begins with a');
    });
    const found = await rare.run(5_000, 3);
    seen = 0;
    expect(await rare.run(1, 3, found?.path)).toMatchObject({ input: found?.input });
    expect(seen).toBe(1);
  });

  it.each([
    ['without a sentence', { reason: 'Why', message: '' }],
    ['without end', { reason: 'Why', message: 'x'.repeat(20_000) }],
    ['by a reason that is no word', { reason: 'not a word', message: 'Send another.' }],
  ])('finds a refusal %s', async (_what, refusal) => {
    expect(await target({ name: 'rude', share: 1, inputs: fc.constant('') }, () => refusal).run(1, 1)).toBeDefined();
  });

  it('damages a sample the same way each time, and leaves the sample as it was', () => {
    const sample = { a: { b: [1, 'two'] } };
    const steps = [
      { where: 2, how: 0, what: 'other' },
      { where: 1, how: 7, what: null },
    ];
    expect(mutatedJson(sample, steps)).toEqual(mutatedJson(sample, steps));
    expect(mutatedJson(sample, steps)).not.toEqual(sample);
    expect(sample).toEqual({ a: { b: [1, 'two'] } });
    expect(mutatedText('abc', [{ where: 1, how: 0, what: 'X' }])).toBe('aXbc');
  });
});
