/** The page on Azure says what the templates say: every parameter, every role, and what nothing uses yet. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { azurePage } from '../../docs/write-azure.ts';
import { assignedRoles } from '../infra/audit/roles.ts';
import { NOT_YET_USED } from '../infra/not-yet-used.ts';
import { deployed, EVERYTHING } from '../infra/templates.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/azure.md'), 'utf8');

describe('docs/azure.md', () => {
  it('is what `npm run docs:azure` writes', () => {
    expect(azurePage(page), 'the templates changed: run `npm run docs:azure`').toBe(page);
  });

  it('has a row for every role that is assigned, with what it is for', () => {
    const roles = assignedRoles(deployed(EVERYTHING).resources);
    const rows = page
      .slice(page.indexOf('## Roles'), page.indexOf('<!-- end of roles'))
      .split('\n')
      .filter((line) => line.startsWith('| '));
    expect(rows).toHaveLength(roles.length + 1);
    for (const { role, why } of roles)
      expect(
        rows.some((row) => row.includes(`| ${role} |`) && row.includes(why)),
        why,
      ).toBe(true);
  });

  it('says of everything that is not used yet that it is not', () => {
    for (const { because } of NOT_YET_USED) expect(page).toContain(because);
  });

  it('has lost a table where a mark is gone', () => {
    expect(() => azurePage(page.replace('<!-- end of roles -->', ''))).toThrow('has lost the marks that its roles are between');
  });
});
