/**
 * The message Teams gets. Each sample notice renders to `golden/<name>.json`, to the letter; after an intended change:
 * `GOLDEN_UPDATE=1 npx vitest run test/notifications`, then read the difference.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { MAX_MESSAGE_BYTES, teamsMessage } from '../../src/notifications/adaptive-card.ts';
import { words } from '../../src/notifications/words.ts';
import { anyNotice, SAMPLES, sampleNotice } from './notices.ts';

const plainWords = { title: 'catalog', tone: 'info', sentence: 'It serves.', facts: [] } as const;

/** Everything Teams could show of a message, in order: the texts of its runs. */
const runsOf = (message: unknown): string[] => {
  const texts: string[] = [];
  JSON.stringify(message, (_key, value: unknown) => {
    const run = z.object({ type: z.literal('TextRun'), text: z.string() }).safeParse(value);
    if (run.success) texts.push(run.data.text);
    return value;
  });
  return texts;
};

describe('a card for Teams', () => {
  it.each(Object.keys(SAMPLES))('is as written down: %s', (name) => {
    const notice = sampleNotice(name);
    const message = teamsMessage(words(notice), { id: notice.id, pageUrl: 'https://mesh.example.com/' });
    const rendered = `${JSON.stringify(message, null, 2)}\n`;
    const file = join(import.meta.dirname, 'golden', `${name}.json`);
    if (process.env.GOLDEN_UPDATE === '1') writeFileSync(file, rendered);
    expect(existsSync(file), `${file} is missing: see the head of this test`).toBe(true);
    expect(rendered).toBe(readFileSync(file, 'utf8'));
  });

  it('stays under 20 KB, well-formed and free of functions, whatever it is made of', () => {
    fc.assert(
      fc.property(anyNotice, fc.webUrl({ size: 'large' }), (notice, pageUrl) => {
        const json = JSON.stringify(teamsMessage(words(notice), { id: notice.id, pageUrl }));
        expect(Buffer.byteLength(json)).toBeLessThan(MAX_MESSAGE_BYTES);
        for (const text of runsOf(JSON.parse(json))) {
          expect(text.isWellFormed()).toBe(true);
          expect(text).not.toMatch(/\{\{|[\p{Cc}\u202a-\u202e]/u);
        }
      }),
      // Long texts take minutes to shrink, and tell no more when they are short.
      { numRuns: 100, endOnFailure: true },
    );
  });

  it('shows outside text as it is, never as Markdown: every text is a run', () => {
    const sentence = '**v2** took [this](https://evil.example) _back_ <at>all</at> {{{DATE(2026-11-22T00:00:00Z)}}';
    const message = teamsMessage({ ...plainWords, sentence }, { id: '7' });
    expect(runsOf(message)).toContain('**v2** took [this](https://evil.example) _back_ <at>all</at> { { {DATE(2026-11-22T00:00:00Z)}}');
    expect(JSON.stringify(message)).not.toMatch(/"TextBlock"|"FactSet"/);
  });

  it('cuts a long text with an ellipsis, and never inside a character', () => {
    const [title = ''] = runsOf(teamsMessage({ ...plainWords, title: '😀'.repeat(500) }, { id: '7' }));
    expect(title).toMatch(/^(?:😀)+…$/u);
    expect(title.length).toBeLessThanOrEqual(150);
  });

  it('opens the page and asks for nothing else', () => {
    const actions = (pageUrl?: string) =>
      teamsMessage(plainWords, { id: '7', ...(pageUrl ? { pageUrl } : {}) }).attachments[0].content.actions;
    expect(actions('https://mesh.example.com/#shop/catalog')).toEqual([
      { type: 'Action.OpenUrl', title: 'Open the page', url: 'https://mesh.example.com/#shop/catalog' },
    ]);
    expect(actions()).toBeUndefined();
    expect(actions('javascript:alert(1)')).toBeUndefined();
    expect(actions(`https://mesh.example.com/${'x'.repeat(2_000)}`)).toBeUndefined();
  });
});
