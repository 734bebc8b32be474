/** The case of every plan field: one that is added to the plan has none, and does not compile, until it is written. */
import type { PlanField } from '../../../src/plan/fidelity.ts';
import { boundaryCases } from './boundary-cases.ts';
import type { FieldCase } from './field-case.ts';
import { resilienceCases } from './resilience-cases.ts';
import { routingCases } from './routing-cases.ts';
import { securityCases } from './security-cases.ts';

export const fieldCases: Readonly<Record<PlanField, FieldCase>> = {
  ...routingCases,
  ...resilienceCases,
  ...securityCases,
  ...boundaryCases,
};
