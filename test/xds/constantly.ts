/** Load without a pause, for as long as something changes under it. */
import type { Answer } from '../dataplanes/envoy/workload.ts';
import { until } from '../e2e/until.ts';

/** Asks without a pause until it is stopped; resolves with everything that was no 200. What rejects counts as such too. */
export function constantly(asks: readonly (() => Promise<Answer>)[]) {
  let going = true;
  let asked = 0;
  const failures: string[] = [];
  const all = Promise.all(
    asks.map(async (ask) => {
      while (going) {
        const said = await ask().then(
          ({ status, body }) => (status === 200 ? undefined : `${status} ${body}`),
          (error: unknown) => String(error),
        );
        asked += 1;
        if (said !== undefined) failures.push(said);
      }
    }),
  );
  return {
    async more(count: number): Promise<void> {
      const enough = asked + count;
      await until(`${count} more requests were made`, () => asked >= enough);
    },
    async stop(): Promise<readonly string[]> {
      going = false;
      await all;
      return failures;
    },
  };
}
