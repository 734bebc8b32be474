/** The queries of docs/audit.md name columns that rows have, and events that there are. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { auditRow } from '../../src/journal/audit-rows.ts';

const page = readFileSync(new URL('../../docs/audit.md', import.meta.url), 'utf8');
const queries = [...page.matchAll(/```kusto\n([\s\S]*?)```/g)].map(([, query = '']) => query);
const ROW = { version: 1, schema: 1, at: 0, deliveryId: '', actor: '', events: [], message: '', prevHash: '', hash: '' };
const columns = Object.keys(auditRow('', ROW));
const code = ['rollouts/events.ts', 'trust/events.ts', 'spec/adoption.ts']
  .map((file) => readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8'))
  .join('\n');
const events = new Set([...code.matchAll(/type: z\.literal\('(\w+)'\)/g)].map(([, name]) => name));

describe('the queries for auditors', () => {
  it('are there', () => {
    expect(queries).toHaveLength(6);
    for (const query of queries) expect(query).toContain('MeshwrightJournal_CL');
  });

  it('name columns that rows have, or that they make', () => {
    for (const query of queries) {
      const made = [...query.matchAll(/(\w+) = /g)].map(([, name]) => name);
      const names = query.replace(/"[^"]*"/g, '').match(/\b[A-Z]\w+/g) ?? [];
      const unknown = names.filter((name) => !columns.includes(name) && !made.includes(name) && name !== 'MeshwrightJournal_CL');
      expect(unknown, query).toEqual([]);
    }
  });

  it('look for events that there are', () => {
    const named = queries.flatMap((query) => [...query.matchAll(/"([A-Z][a-z]+[A-Z]\w+)"/g)].map(([, name]) => name));
    expect(events.size).toBeGreaterThan(40);
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((name) => !events.has(name))).toEqual([]);
  });
});
