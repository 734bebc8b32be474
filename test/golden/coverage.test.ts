/** The golden cases together ask for everything that a plan can ask for: no mesh has a field that no golden shows. */
import { expect, it } from 'vitest';
import { fieldsUsed, PLAN_FIELDS } from '../../src/plan/fidelity.ts';
import { goldenCases } from './case.ts';

it('every field of a plan is in a golden case', () => {
  const shown = new Set<string>(goldenCases().flatMap(({ plans }) => plans.flatMap((plan) => fieldsUsed(plan).map(({ field }) => field))));
  expect(Object.keys(PLAN_FIELDS).filter((field) => !shown.has(field))).toEqual([]);
});
