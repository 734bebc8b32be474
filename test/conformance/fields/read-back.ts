/**
 * Runs the cases on one data plane: all first values are applied at once, read from the proxies until they are as expected (or time
 * is up), then all second values. The list of fields is made from the data plane's fidelity table: all that are exact.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../../../src/journal/documents.ts';
import { isRefusal, judge, type PlanField } from '../../../src/plan/fidelity.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { until } from '../../e2e/until.ts';
import type { Running } from '../process.ts';
import { caseOf, exactFields, type FieldTests, plansOf, testedFields } from './exact-fields.ts';
import type { FieldCase, Ground } from './field-case.ts';
import type { Held } from './held.ts';
import { type Proxies, Seen, type Spelling } from './seen.ts';

/** A data plane with its real control plane, and a proxy for each caller and receiver that the cases need. */
export interface Stage extends Running {
  readonly ground: Ground;
  readonly spelling: Spelling;
  /** What has to be there for the plans, whatever their values: workloads, gateways; called once. */
  prepare(wanted: readonly Wanted[]): Promise<void>;
  /** What users and meshwright write for this plan. */
  apply(plan: ServicePlan): Promise<void>;
  /** What the proxies hold now. */
  look(): Promise<Looked>;
}

export interface Wanted {
  readonly plan: ServicePlan;
  readonly needs: FieldCase['needs'];
}

export interface Looked {
  readonly caller: Held;
  /** By service. */
  readonly receivers: ReadonlyMap<string, Held>;
  readonly gateway?: Held;
}

/** Long enough for a control plane that waits for more to come before it pushes; nothing here is timed. */
const WITHIN_MS = 30_000;

const REFUSED = 'This plan is refused here.';

type Outcome = { readonly reads: Json } | { readonly fails: string };
const outcome = (read: () => Json): Outcome => {
  try {
    return { reads: read() };
  } catch (error) {
    return { fails: String(error) };
  }
};

/** `have`: whether its servers are here. */
export function describeFields(name: string, have: boolean, tests: FieldTests, start: () => Promise<Stage>): void {
  const tested = testedFields(tests);

  describe.skipIf(!have)(`${name}: two values of each field that is exact are told apart at the proxies`, () => {
    let stage: Stage;
    const seen: Map<PlanField, Outcome>[] = [];
    let refused: readonly string[] = [];

    beforeAll(async () => {
      stage = await start();
      const given = (value: 0 | 1): Given[] =>
        tested.map((each) => {
          const plan = plansOf(tests, each, stage.ground)[value];
          return { field: each.field, plan, read: each.case.read, reads: each.case.values[value].reads, refused: isRefused(plan, tests) };
        });
      await stage.prepare(given(0).map(({ plan }, index) => ({ plan, needs: tested[index]?.case.needs })));
      for (const value of [0, 1] as const) {
        const { outcomes, refusals } = await appliedAndRead(stage, given(value));
        seen.push(outcomes);
        refused = [...refused, ...refusals];
      }
    }, 240_000);
    afterAll(() => stage?.stop());

    it('have each a case', () => {
      expect(exactFields(tests).filter((field) => !caseOf(tests, field))).toEqual([]);
    });

    it.each(tested)('$field', ({ field, case: { values } }) => {
      const [first, second] = values;
      expect(first.reads, 'the case tells nothing apart').not.toEqual(second.reads);
      expect(seen[0]?.get(field), 'the first value').toEqual({ reads: first.reads });
      if (tests.single?.includes(field)) return expect(seen[1]?.get(field)).toEqual({ fails: REFUSED });
      expect(seen[1]?.get(field), 'the second value').toEqual({ reads: second.reads });
    });

    it('and the proxies took all that was pushed', () => {
      expect(refused).toEqual([]);
    });
  });
}

const isRefused = (plan: ServicePlan, { fidelity }: FieldTests): boolean => judge(plan, fidelity).some(isRefusal);

interface Given {
  readonly field: PlanField;
  readonly plan: ServicePlan;
  readonly read: FieldCase['read'];
  readonly reads: Json;
  readonly refused: boolean;
}

/** Reads again and again until each case reads as expected, and gives what was read last. */
async function appliedAndRead(stage: Stage, given: readonly Given[]) {
  const unapplied = new Map<PlanField, Outcome>();
  for (const { field, plan, refused } of given) {
    if (refused) unapplied.set(field, { fails: REFUSED });
    else await stage.apply(plan).catch((error: unknown) => unapplied.set(field, { fails: String(error) }));
  }
  let outcomes = unapplied;
  let refused: readonly string[] = [];
  const look = async (): Promise<boolean> => {
    const looked = await stage.look();
    outcomes = new Map(
      given.map((each) => [each.field, unapplied.get(each.field) ?? outcome(() => each.read(seenIn(stage, looked, each.plan)))]),
    );
    refused = [looked.caller, ...looked.receivers.values(), ...(looked.gateway ? [looked.gateway] : [])].flatMap((held) => held.refused);
    return given.every(({ field, reads }) => {
      const found = outcomes.get(field);
      return unapplied.has(field) || (found !== undefined && 'reads' in found && isSame(found.reads, reads));
    });
  };
  // What is not as it should be after that is told field by field.
  await until('all cases read as expected', look, WITHIN_MS).catch(() => undefined);
  return { outcomes, refusals: refused };
}

function seenIn({ spelling }: Stage, { caller, receivers, gateway }: Looked, plan: ServicePlan): Seen {
  const receiver = receivers.get(plan.service);
  const proxies: Proxies = { caller, ...(receiver ? { receiver } : {}), ...(gateway ? { gateway } : {}) };
  return new Seen(plan, proxies, spelling);
}

const isSame = (a: Json, b: Json): boolean => canonical(a) === canonical(b);
const canonical = (value: Json): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).sort()) : part,
  );
