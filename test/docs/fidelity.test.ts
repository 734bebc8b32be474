/** The page on fidelity says what the tables say, of every field. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fidelityPage } from '../../docs/write-fidelity.ts';
import { rendererOf } from '../../src/dataplanes/renderers.ts';
import { PLAN_FIELDS } from '../../src/plan/fidelity.ts';
import { authoredDataPlaneSchema } from '../../src/spec/authored-data-planes.ts';

describe('docs/fidelity.md', () => {
  it('is what `npm run docs:fidelity` writes', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/fidelity.md'), 'utf8');
    expect(page, 'the tables changed: run `npm run docs:fidelity`').toBe(fidelityPage());
  });

  it('has a row for every field, and says every difference, code and sentence of a data plane', () => {
    const page = fidelityPage();
    for (const [field, meaning] of Object.entries(PLAN_FIELDS)) expect(page).toContain(`\n| \`${field}\` | ${meaning} | `);
    const { fidelity } = rendererOf(authoredDataPlaneSchema.parse({ name: 'osm', kind: 'osm' }));
    for (const judgement of Object.values(fidelity)) {
      if (judgement.kind === 'approximated') expect(page).toContain(judgement.difference);
      if (judgement.kind === 'refused') expect(page).toContain(`\`${judgement.code}\`: ${judgement.sentence}`);
      for (const { code, sentence } of judgement.except ?? []) expect(page).toContain(`\`${code}\`: ${sentence}`);
    }
  });

  it.each(['istio', 'envoy', 'consul', 'gateway-api', 'linkerd', 'osm'] as const)(
    'is right that %s says nothing of security nearly',
    (kind) => {
      const dataPlane = authoredDataPlaneSchema.parse({ name: kind, kind, ...(kind === 'consul' ? { defaultPolicy: 'allow' } : {}) });
      const security = Object.entries(rendererOf(dataPlane).fidelity).filter(([field]) => /^(mtls|allow)\./.test(field));
      expect(security.length).toBeGreaterThan(8);
      expect(security.filter(([, { kind: said }]) => said === 'approximated')).toEqual([]);
    },
  );

  it('has every note that its table speaks of', () => {
    const page = fidelityPage();
    const [table = '', notes = ''] = page.split('\n## Istio');
    const spoken = new Set([...table.matchAll(/\b([iecglo]\d+)\b/g)].map(([name]) => name));
    expect(spoken.size).toBeGreaterThan(50);
    for (const name of spoken) expect(notes).toContain(`- **${name}** `);
  });
});
