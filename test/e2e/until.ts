/** Waiting for a fact instead of a time. */

const LOOK_MS = 50;

/** Resolves with the first truthy answer of `look`; rejects with what was waited for when there is none `withinMs`. What `look` throws counts as "not yet". */
export async function until<Fact>(
  what: string,
  look: () => Fact | undefined | false | Promise<Fact | undefined | false>,
  withinMs = 60_000,
): Promise<Fact> {
  const end = performance.now() + withinMs;
  let last: unknown;
  while (performance.now() < end) {
    try {
      const fact = await look();
      if (fact !== undefined && fact !== false) return fact;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  throw new Error(`Waited ${withinMs / 1000} s in vain until ${what}.`, { cause: last });
}
