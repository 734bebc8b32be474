/** What is made of a plan is made once: nobody changes a plan in place, and when one of a thousand moves, the others stay the same objects. */
import type { JsonObject } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';

/** `render` must depend on nothing but what it is given; `rest` is told apart by its JSON. */
export function oncePerPlan<Rest extends readonly unknown[]>(
  render: (plan: ServicePlan, ...rest: Rest) => JsonObject,
): (plan: ServicePlan, ...rest: Rest) => JsonObject {
  const made = new WeakMap<ServicePlan, Map<string, JsonObject>>();
  return (plan, ...rest) => {
    const known = made.get(plan) ?? new Map<string, JsonObject>();
    made.set(plan, known);
    const key = JSON.stringify(rest);
    const rendered = known.get(key) ?? render(plan, ...rest);
    known.set(key, rendered);
    return rendered;
  };
}
