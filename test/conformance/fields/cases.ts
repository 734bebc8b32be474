/** The case of each plan field that some data plane is read back for; `test/dataplanes/exact-fields.test.ts` says which are missing. */
import type { PlanField } from '../../../src/plan/fidelity.ts';
import { boundaryCases } from './boundary-cases.ts';
import type { FieldCase } from './field-case.ts';
import { resilienceCases } from './resilience-cases.ts';
import { routingCases } from './routing-cases.ts';
import { securityCases } from './security-cases.ts';

export const fieldCases: Readonly<Partial<Record<PlanField, FieldCase>>> = {
  ...routingCases,
  ...resilienceCases,
  ...securityCases,
  ...boundaryCases,
};
