/**
 * Each `<case>.in.yaml` renders to `<case>.<mesh>.out.yaml`, to the letter: first what the mesh says only nearly or refuses, then
 * the resources, unless something is refused. After an intended change: `npm run golden:update`, then read the difference. A
 * new case is its `.in.yaml`; the rest is written by the update.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { renderBootstrap } from '../../src/dataplanes/envoy/bootstrap.ts';
import { renderNode, renderShared } from '../../src/dataplanes/envoy/render.ts';
import { envoyRenderer } from '../../src/dataplanes/envoy/renderer.ts';
import type { Renderer } from '../../src/dataplanes/renderer.ts';
import { rendererOf } from '../../src/dataplanes/renderers.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import { isRefusal, judge } from '../../src/plan/fidelity.ts';
import type { ServicePlan } from '../../src/plan/plan.ts';
import type { DataPlaneSpec } from '../../src/spec/schema.ts';
import { type GoldenCase, goldenCases } from './case.ts';

const reached = { takeOver: false, observe: true };
/** The data planes that goldens are made for, by the name in the file. */
const dataPlanes: Readonly<Record<string, DataPlaneSpec>> = {
  istio: { kind: 'istio', name: 'istio', ...reached, controlPlaneNamespace: 'istio-system' },
  'gateway-api': { kind: 'gateway-api', name: 'gateway-api', ...reached, controlPlaneNamespace: 'istio-system', experimental: false },
  'gateway-api-experimental': {
    kind: 'gateway-api',
    name: 'gateway-api',
    ...reached,
    controlPlaneNamespace: 'istio-system',
    experimental: true,
  },
  linkerd: { kind: 'linkerd', name: 'linkerd', ...reached },
  osm: { kind: 'osm', name: 'osm', ...reached, controlPlaneNamespace: 'osm-system' },
  consul: { kind: 'consul', name: 'consul', defaultPolicy: 'deny', takeOver: false },
};

/** All of a case at once, as the xds server gives it to one node: services share a RouteConfiguration. */
function renderEnvoy({ plans, endpoints, node }: GoldenCase): string {
  const notes = plans.flatMap((plan) => notesOf(plan, envoyRenderer));
  const said = plans.filter((plan) => !judge(plan, envoyRenderer.fidelity).some(isRefusal));
  const own = node === undefined ? [] : renderNode(node, said);
  const bootstrap = node === undefined ? {} : { bootstrap: renderBootstrap({ node, xds: { address: '127.0.0.1', port: 18_000 } }) };
  const resources = { ...bootstrap, resources: [...renderShared(said, endpoints, node?.identity), ...own] };
  return [...notes, resources].map(yaml).join('---\n');
}

function notesOf(plan: ServicePlan, { fidelity }: Renderer): JsonObject[] {
  const entries = judge(plan, fidelity).filter(({ judgement }) => judgement.kind !== 'exact');
  return entries.length === 0 ? [] : [{ service: plan.service, namespace: plan.namespace, fidelity: JSON.parse(JSON.stringify(entries)) }];
}

function render({ plans }: GoldenCase, dataPlane: DataPlaneSpec): string {
  const renderer = rendererOf(dataPlane);
  const documents = plans.flatMap((plan) => {
    const refused = judge(plan, renderer.fidelity).some(isRefusal);
    return [...notesOf(plan, renderer), ...(refused ? [] : renderer.render(plan))];
  });
  return documents.map(yaml).join('---\n');
}

describe.each(goldenCases())('golden case $name', (given) => {
  const targets = [
    ['envoy', renderEnvoy] as const,
    ...Object.entries(dataPlanes).map(([name, spec]) => [name, (each: GoldenCase) => render(each, spec)] as const),
  ];
  it.each(targets)('renders for %s as written down', (target, rendered) => {
    const file = join(import.meta.dirname, `${given.name}.${target}.out.yaml`);
    const text = rendered(given);
    if (process.env.GOLDEN_UPDATE === '1') writeFileSync(file, text);
    expect(existsSync(file), `${file} is missing: run \`npm run golden:update\``).toBe(true);
    expect(text).toBe(readFileSync(file, 'utf8'));
  });
});

/** No anchors and no folding: a golden is read by people, and in diffs. Quoted as YAML 1.1 needs it, which Kubernetes tools read (`yes` is true there). */
function yaml(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0, version: '1.1' });
}
