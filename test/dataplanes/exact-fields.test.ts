/**
 * Every field that a data plane calls exact has a test that tells two of its values apart there. The tests themselves need real
 * control planes (`npm run test:conformance fields`); what is held here is that none is missing and that each can tell.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rendererOf } from '../../src/dataplanes/renderers.ts';
import { fieldsUsed, isRefusal, judge } from '../../src/plan/fidelity.ts';
import type { ServicePlan } from '../../src/plan/plan.ts';
import { type DataPlaneSpec, dataPlaneSchema } from '../../src/spec/schema.ts';
import { exactFields, type FieldTests, plansOf, testedFields } from '../conformance/fields/exact-fields.ts';
import type { Ground } from '../conformance/fields/field-case.ts';
import { type Proved, provedAt } from '../conformance/fields/field-tests.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const reached = { takeOver: false, observe: true };
const namespaced = { ...reached, controlPlaneNamespace: 'system' };
/** Each with the options that change its table. */
const dataPlanes: readonly DataPlaneSpec[] = [
  { kind: 'envoy', name: 'envoy' },
  { kind: 'istio', name: 'istio', ...namespaced },
  { kind: 'gateway-api', name: 'gateway-api', ...namespaced, experimental: false },
  { kind: 'gateway-api', name: 'experimental', ...namespaced, experimental: true },
  { kind: 'linkerd', name: 'linkerd', ...reached },
  { kind: 'osm', name: 'osm', ...namespaced },
  { kind: 'consul', name: 'consul', defaultPolicy: 'deny', takeOver: false },
];

/** `<data plane>: <field>` of exact fields that no test of `proved` is about. */
function unproved(dataPlane: DataPlaneSpec, { tests = [] }: Proved): readonly string[] {
  const proved = new Set(tests.flatMap(testedFields).map(({ field }) => field));
  return exactFields(rendererOf(dataPlane))
    .filter((field) => !proved.has(field))
    .map((field) => `${dataPlane.name}: ${field}`);
}

describe('exact fields', () => {
  it('are held to tests on every kind of data plane', () => {
    const kinds = dataPlaneSchema.options.map(({ shape }) => shape.kind.value);
    expect([...new Set(dataPlanes.map(({ kind }) => kind))].sort()).toEqual(kinds.sort());
  });

  it.each(Object.entries(provedAt))('of %s are proved in a file that is there and makes its list of the table', (_, { file }) => {
    const text = existsSync(join(ROOT, file)) ? readFileSync(join(ROOT, file), 'utf8') : '';
    expect(text, `${file} is missing, or has no such list`).toMatch(/describeFields\(|exactFields\(|Object\.entries\(\w+Fidelity\)/);
  });

  it.each(dataPlanes.filter(({ kind }) => provedAt[kind].tests))('of $name have each a test', (dataPlane) => {
    expect(unproved(dataPlane, provedAt[dataPlane.kind])).toEqual([]);
  });

  it('would be told of, with the data plane, if one had none', () => {
    const [istio] = provedAt.istio.tests ?? [];
    const dataPlane = dataPlanes.find(({ kind }) => kind === 'istio');
    if (!istio || !dataPlane) throw new Error('Istio has no tests');
    const approximated = { kind: 'approximated', difference: 'a' } as const;
    const fewer = { ...istio, fidelity: { ...istio.fidelity, 'route.mirror': approximated } };
    expect(unproved(dataPlane, { file: 'any', tests: [fewer] })).toEqual(['istio: route.mirror']);
  });
});

const all = Object.entries(provedAt).flatMap(([name, { tests: those = [] }]) =>
  those.flatMap((tests) => testedFields(tests).map((tested) => ({ name, field: tested.field, tested, tests }))),
);

describe('the case of a field', () => {
  const ground: Ground = { dataPlane: 'any', trustDomain: 'cluster.local' };
  const isRefused = (plan: ServicePlan, { fidelity }: FieldTests): boolean => judge(plan, fidelity).some(isRefusal);

  it.each(all)('on $name says $field, and reads another thing for another value', ({ field, tested, tests }) => {
    const [first, second] = plansOf(tests, tested, ground);
    expect(fieldsUsed(first).map((use) => use.field)).toContain(field);
    expect(isRefused(first, tests)).toBe(false);
    expect(isRefused(second, tests)).toBe(tests.single?.includes(field) ?? false);
    const [one, other] = tested.case.values;
    expect(one.reads).not.toEqual(other.reads);
  });
});
