/** Of which fields a data plane needs a case, which case that is, and the plans it applies: made from the data plane's fidelity table. */
import { type FidelityTable, PLAN_FIELDS, type PlanField } from '../../../src/plan/fidelity.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { fieldCases } from './cases.ts';
import { type FieldCase, type Ground, planOf, type Said } from './field-case.ts';

export interface FieldTests {
  readonly fidelity: FidelityTable;
  /** Fields that are approximated, and yet read as the cases say. */
  readonly also?: readonly PlanField[];
  /** Of these it says the first value only, and refuses the other: there are no two to tell apart. */
  readonly single?: readonly PlanField[];
  /** What every plan has to say here, where a case says nothing of it. */
  readonly security?: Said['security'];
  /** In place of the cases for all, where a value of theirs is one that this data plane refuses. */
  readonly own?: Readonly<Partial<Record<PlanField, FieldCase>>>;
}

const isPlanField = (name: string): name is PlanField => name in PLAN_FIELDS;

/** All that the table calls exact. */
export function exactFields({ fidelity }: Pick<FieldTests, 'fidelity'>): readonly PlanField[] {
  return Object.keys(PLAN_FIELDS)
    .filter(isPlanField)
    .filter((field) => fidelity[field].kind === 'exact');
}

/** What a case has to tell apart here. */
export const caseOf = ({ own = {} }: FieldTests, field: PlanField): FieldCase | undefined => own[field] ?? fieldCases[field];

export interface Tested {
  readonly field: PlanField;
  readonly case: FieldCase;
}

/** What is run: the case of each exact field that has one, and of those that are tested `also`. */
export function testedFields(tests: FieldTests): readonly Tested[] {
  return [...exactFields(tests), ...(tests.also ?? [])].flatMap((field) => {
    const found = caseOf(tests, field);
    return found ? [{ field, case: found }] : [];
  });
}

/** The two plans of a case. */
export function plansOf(tests: FieldTests, tested: Tested, ground: Ground): readonly [ServicePlan, ServicePlan] {
  const [first, second] = tested.case.values;
  const always = tests.security ? { security: tests.security } : {};
  const plan = (said: Said): ServicePlan => planOf(tested.field, { ...always, ...said }, ground);
  return [plan(first.plan), plan(second.plan)];
}
