/** What the threat model says stands in a threat's way is held by tests that are there; and every row names one. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '../..');
const page = readFileSync(join(ROOT, 'docs/threat-model.md'), 'utf8');
const [, boundaries = ''] = /\n## Boundaries\n([\s\S]*?)\n## Limits/.exec(page) ?? [];
const rows = [...boundaries.matchAll(/^\| (?!Threat|---)(.+?) \| (.+?) \| (.+?) \|$/gm)].map(([, threat = '', , held = '']) => ({
  threat,
  held,
}));
const { scripts } = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')));

describe('docs/threat-model.md', () => {
  it('has threats at every boundary', () => {
    const sections = boundaries.split('\n### ').slice(1);
    expect(sections.length).toBeGreaterThan(6);
    for (const section of sections) expect(section.match(/^\| (?!Threat|---)/gm)?.length ?? 0, section.slice(0, 40)).toBeGreaterThan(0);
    expect(rows.length).toBeGreaterThan(30);
  });

  it.each(rows.map(({ threat, held }) => [threat, held]))('names tests that there are: %s', (_threat, held) => {
    const named = [...held.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
    expect(named.length).toBeGreaterThan(0);
    for (const name of named) {
      const [, script] = /^npm run ([\w:]+)$/.exec(name) ?? [];
      if (script === undefined) expect(existsSync(join(ROOT, name)) && name.endsWith('.test.ts'), name).toBe(true);
      else expect(scripts, name).toHaveProperty([script]);
    }
  });
});
