/** Which test proves each field that a data plane calls exact: a case read back from its proxies, or a test elsewhere that is named. */

import { type FidelityTable, PLAN_FIELDS, type PlanField } from '../../../src/plan/fidelity.ts';
import { fieldCases } from './cases.ts';
import type { FieldCase } from './field-case.ts';

/** A test in another file. */
export interface Elsewhere {
  /** From the root of the repository. */
  readonly file: string;
  /** As it stands in that file. */
  readonly title: string;
}

export interface FieldTests {
  readonly fidelity: FidelityTable;
  /** Exact fields that are proved in another way. */
  readonly elsewhere?: Readonly<Partial<Record<PlanField, Elsewhere>>>;
  /** Fields that are approximated, and yet read as the cases say. */
  readonly also?: readonly PlanField[];
  /** Of these it says the first value only, and refuses the other: there are no two to tell apart. */
  readonly single?: readonly PlanField[];
  /** In place of the cases for all, where a value of theirs is one that this data plane refuses. */
  readonly own?: Readonly<Partial<Record<PlanField, FieldCase>>>;
}

const isPlanField = (name: string): name is PlanField => name in PLAN_FIELDS;

/** Those of which a case has to run. */
export function exactFields({ fidelity, elsewhere = {} }: FieldTests): readonly PlanField[] {
  return Object.keys(PLAN_FIELDS)
    .filter(isPlanField)
    .filter((field) => fidelity[field].kind === 'exact' && elsewhere[field] === undefined);
}

/** What a case has to tell apart here. */
export const caseOf = ({ own = {} }: FieldTests, field: PlanField): FieldCase => own[field] ?? fieldCases[field];
