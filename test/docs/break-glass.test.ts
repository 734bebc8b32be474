/** What the page for the worst night names is there: functions that can be switched off, commands, the role, the settings. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { assignedRoles } from '../infra/audit/roles.ts';
import { type CodeFacts, codeFacts } from '../infra/code-facts.ts';
import { deployed, LEAST } from '../infra/templates.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/break-glass.md'), 'utf8');
let facts: CodeFacts;
beforeAll(async () => {
  facts = await codeFacts();
});

describe('docs/break-glass.md', () => {
  it('switches off functions that there are: every one that acts by itself', () => {
    const named = [...page.matchAll(/AzureWebJobs\.(\w+)\.Disabled/g)].map(([, name]) => name);
    for (const name of named) expect(facts.triggers.map((trigger) => trigger.function)).toContain(name);
    expect(named).toEqual(expect.arrayContaining(['sweep', 'alarms', 'driftTimer', 'owedDriftTimer']));
  });

  it('names routes, settings and a role that there are', () => {
    for (const [, route] of page.matchAll(/`GET \/(\w+)`/g)) expect(facts.triggers.map((trigger) => trigger.route)).toContain(route);
    for (const [, name] of page.matchAll(/\b(COSMOS__\w+|MESHWRIGHT_[A-Z]+)\b(?!_)/g)) expect(facts.settings).toContain(name);
    expect(assignedRoles(deployed(LEAST).resources).map(({ role }) => role)).toContain(/--role-definition-name "([^"]+)"/.exec(page)?.[1]);
  });
});
