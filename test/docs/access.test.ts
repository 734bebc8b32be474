/** The page on access says what the table of routes says, of every route. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { accessPage } from '../../docs/write-access.ts';
import { DOORS, doorRolesOf } from '../../src/api/access.ts';
import { ROUTES } from '../../src/api/routes.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/access.md'), 'utf8');
const table = page.slice(page.indexOf('## Routes'), page.indexOf('401 is answered'));

describe('docs/access.md', () => {
  it('is what `npm run docs:access` writes', () => {
    expect(accessPage(page), 'the routes changed: run `npm run docs:access`').toBe(page);
  });

  it('has one row for every route, with who may ask it', () => {
    const rows = table.split('\n').filter((line) => /^\| (GET|POST) \|/.test(line));
    expect(rows).toHaveLength(Object.keys(ROUTES).length);
    expect(rows).toContain(
      '| POST | `/meshes/{mesh}/rotation/approve` | `Approver:{mesh}` | Approves a gate of a rotation that somebody else began. |',
    );
    const open = Object.values(ROUTES).filter(({ access }) => access.kind === 'open');
    expect(rows.filter((row) => row.includes('| nothing. '))).toHaveLength(open.length);
  });

  it('names every door with the role that opens it', () => {
    for (const door of DOORS) expect(page).toContain(`\n| \`${door}\` | \`${doorRolesOf(door).join(', ')}\` |`);
  });

  it('has lost its table where a mark is gone', () => {
    expect(() => accessPage(page.replace('<!-- end of routes -->', ''))).toThrow('has lost the marks');
  });
});
