/** The canary of `catalog` in mesh `shop`, driven through the app: the sweep goes round, each time a second later by the app's clock. */
import { until } from '../e2e/until.ts';
import type { World } from '../world.ts';

const A_SWEEP = 1_000;
/** Longer than any step of these canaries. */
const A_HOLD = 10 * 60_000;

export interface CanarySteps {
  status(): ReturnType<World['app']['service']>;
  /** Once nothing is owed. */
  settled(): Promise<unknown>;
  /** Once a step is seen to be served. */
  held(): Promise<unknown>;
  /** `seen` looks at each step that is held, by its weights above 0, until v2 is stable; the weights of v2 on the way. */
  toTheEnd(seen: (weights: Readonly<Record<string, number>>) => Promise<void>): Promise<readonly number[]>;
}

export function canarySteps(world: World): CanarySteps {
  const status = () => world.app.service('shop', 'catalog');
  const sweptUntil = (what: string, look: () => Promise<boolean>) =>
    until(what, async () => {
      await world.after(A_SWEEP);
      return look();
    });
  const isHeld = async () => (await status())?.rollout?.phase === 'holding';
  return {
    status,
    settled: () =>
      sweptUntil('nothing is owed', async () => {
        const owed = (await status())?.pending ?? [];
        if (owed.length > 0) throw new Error(JSON.stringify([owed, world.problems]));
        return true;
      }),
    held: () => sweptUntil('a step is served', isHeld),
    async toTheEnd(seen) {
      const steps: number[] = [];
      await sweptUntil('v2 is stable', async () => {
        if (await isHeld()) {
          const weights = Object.fromEntries(Object.entries(await world.split('catalog')).filter(([, weight]) => weight > 0));
          await seen(weights);
          steps.push(weights.v2 ?? 0);
          await world.after(A_HOLD);
        }
        return (await status())?.stable === 'v2';
      });
      return steps;
    },
  };
}
