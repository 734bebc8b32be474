/**
 * Each `<case>.in.yaml` renders to `<case>.envoy.yaml` and `<case>.istio.yaml`, to the letter. After an intended change:
 * `npm run golden:update`, then read the difference. A new case is its `.in.yaml`; the rest is written by the update.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { renderBootstrap } from '../../src/dataplanes/envoy/bootstrap.ts';
import { renderNode, renderShared } from '../../src/dataplanes/envoy/render.ts';
import { renderIstio } from '../../src/dataplanes/istio/render.ts';
import { type GoldenCase, goldenCases } from './case.ts';

const renderers: Readonly<Record<string, (given: GoldenCase) => string>> = {
  envoy: ({ plans, endpoints, node }) => {
    const own = node === undefined ? [] : renderNode(node, plans);
    const bootstrap = node === undefined ? {} : { bootstrap: renderBootstrap({ node, xds: { address: '127.0.0.1', port: 18_000 } }) };
    return yaml({ ...bootstrap, resources: [...renderShared(plans, endpoints), ...own] });
  },
  istio: ({ plans }) =>
    plans
      .map(renderIstio)
      .flatMap((rendering) => (rendering.kind === 'rendered' ? rendering.objects : [rendering]))
      .map(yaml)
      .join('---\n'),
};

describe.each(goldenCases())('golden case $name', (given) => {
  it.each(Object.entries(renderers))('renders for %s as written down', (target, render) => {
    const file = join(import.meta.dirname, `${given.name}.${target}.yaml`);
    const rendered = render(given);
    if (process.env.GOLDEN_UPDATE === '1') writeFileSync(file, rendered);
    expect(existsSync(file), `${file} is missing: run \`npm run golden:update\``).toBe(true);
    expect(rendered).toBe(readFileSync(file, 'utf8'));
  });
});

/** No anchors and no folding: a golden is read by people, and in diffs. Quoted as YAML 1.1 needs it, which Kubernetes tools read (`yes` is true there). */
function yaml(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0, version: '1.1' });
}
