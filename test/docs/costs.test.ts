/** The page on costs is what comes out of the code and the prices, as far as anybody needs to know it: to a tenth. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { operations } from '../../docs/costs/measured.ts';
import { costOf, PRICES } from '../../docs/costs/prices.ts';
import { costsPage } from '../../docs/write-costs.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/costs.md'), 'utf8');
const WORDS = { read: 'read there', quoted: 'public projects quote it', remembered: 'not looked up' } as const;
const NUMBER = /\d[\d,]*(?:\.\d+)?/g;
const numbersOf = (text: string): readonly number[] => [...text.matchAll(NUMBER)].map(([number]) => Number(number.replaceAll(',', '')));

describe('docs/costs.md', () => {
  it('is what `npm run docs:costs` writes, with figures that are right to a tenth', async () => {
    const now = await costsPage();
    expect(now.replaceAll(NUMBER, '#'), 'run `npm run docs:costs`').toBe(page.replaceAll(NUMBER, '#'));
    const [written, right] = [numbersOf(page), numbersOf(now)];
    const wrong = right.flatMap((number, index) => {
      const said = written[index] ?? Number.NaN;
      return Math.abs(said - number) <= Math.max(0.1, number / 10) ? [] : [`${said}, and it is ${number}`];
    });
    expect(wrong, 'run `npm run docs:costs`').toEqual([]);
  });

  it('costs more the more services there are, and names a source for every price', () => {
    const [idle = 0, fifty = 0, many = 0] = numbersOf(/\*\*All of it\*\*.*/.exec(page)?.[0] ?? '');
    expect(idle).toBeGreaterThan(1);
    expect(fifty).toBeGreaterThan(idle);
    expect(many).toBeGreaterThan(10 * fifty);
    for (const { source } of Object.values(PRICES)) expect(source).toMatch(/^[a-z.]+\.com\//);
  });

  it("says of every price how it is known: of Microsoft's pages none was read", () => {
    for (const { known, source } of Object.values(PRICES)) {
      const row = page.split('\n').find((line) => line.endsWith(` | ${source} |`) && line.includes(WORDS[known]));
      expect(row, source).toBeDefined();
      expect(source.startsWith('azure.microsoft.com/'), source).toBe(known !== 'read');
    }
  });
});

describe('what is counted', () => {
  it('is a line: as much for each service, however many there are', async () => {
    const [near, far] = [await operations(5, 20), await operations(20, 60)];
    for (const [name, { each }] of Object.entries(far.turns))
      expect(Math.abs(each - (near.turns[name]?.each ?? Number.NaN)), name).toBeLessThan(1.5);
    expect(far.turns.driftTimer?.each).toBeGreaterThan(1);
    expect(far.turns.sweep?.each).toBeLessThan(0.1);
  });

  it('is paid beyond what is free', () => {
    expect(costOf(PRICES.logs, 4)).toBe(0);
    expect(costOf(PRICES.logs, 7)).toBeCloseTo(4.6);
    expect(costOf(PRICES.rules, 2)).toBe(3);
  });
});
