/** Prometheus' text format to the letter: what a scraper reads is what was said, whatever the names are. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exposition } from '../../src/api/exposition.ts';

const one = (labels: Readonly<Record<string, string>>, value: number) =>
  exposition([{ name: 'm', help: 'h', samples: [{ labels, value }] }]);

/** As the format's description has it: in a label's value `\\`, `\"` and `\n` stand for one character each. */
function read(line: string): { readonly labels: Record<string, string>; readonly value: string } {
  const labels: Record<string, string> = {};
  for (const [, label = '', value = ''] of line.matchAll(/([a-z]+)="((?:[^"\\\n]|\\["\\n])*)"/g))
    labels[label] = value.replace(/\\(["\\n])/g, (_all, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  return { labels, value: line.slice(line.lastIndexOf(' ') + 1) };
}

describe('the text exposition format', () => {
  it('has help, type and a line for each sample, each with its end', () => {
    const samples = [
      { labels: { mesh: 'shop', kind: 'root' }, value: 1.5 },
      { labels: {}, value: -3 },
    ];
    expect(exposition([{ name: 'meshwright_things', help: 'Things.', samples }])).toBe(
      '# HELP meshwright_things Things.\n# TYPE meshwright_things gauge\nmeshwright_things{mesh="shop",kind="root"} 1.5\nmeshwright_things -3\n',
    );
  });

  it('escapes help and labels', () => {
    expect(one({ name: 'a"b\\c\nd' }, 1)).toContain('m{name="a\\"b\\\\c\\nd"} 1\n');
    expect(exposition([{ name: 'm', help: 'a\\b\nc "d"', samples: [] }])).toBe('# HELP m a\\\\b\\nc "d"\n# TYPE m gauge\n');
  });

  it('writes numbers that are none as the format does', () => {
    const lines = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((value) => one({}, value).split('\n')[2]);
    expect(lines).toEqual(['m NaN', 'm +Inf', 'm -Inf']);
  });

  it('is one line a sample, and read back the same, whatever a label holds', () => {
    const text = fc.string({ unit: fc.constantFrom('"', '\\', '\n', 'n', '{', '}', ',', '=', ' ', '漢', '😀'), maxLength: 30 });
    fc.assert(
      fc.property(text, text, fc.double({ noNaN: true, noDefaultInfinity: true }), (mesh, name, value) => {
        const lines = one({ mesh, name }, value).split('\n');
        expect(lines).toHaveLength(4);
        const found = read(lines[2] ?? '');
        expect(found.labels).toEqual({ mesh, name });
        expect(Number(found.value)).toBe(value === 0 ? 0 : value);
      }),
    );
  });
});
