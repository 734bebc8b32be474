/** What is made of a plan is made once: nobody changes a plan in place, and when one of a thousand moves, the others stay the same objects. */
import type { ServicePlan } from '../../plan/plan.ts';

/** `make` must depend on nothing but what it is given; `keyOf` tells apart what it is given beside the plan. */
export function oncePerPlan<Rest extends readonly unknown[], Made extends object>(
  make: (plan: ServicePlan, ...rest: Rest) => Made,
  keyOf: (...rest: Rest) => string,
): (plan: ServicePlan, ...rest: Rest) => Made {
  const all = new WeakMap<ServicePlan, Map<string, Made>>();
  return (plan, ...rest) => {
    const key = keyOf(...rest);
    let known = all.get(plan);
    if (!known) {
      known = new Map();
      all.set(plan, known);
    }
    let made = known.get(key);
    if (!made) {
      made = make(plan, ...rest);
      known.set(key, made);
    }
    return made;
  };
}
