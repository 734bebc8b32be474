/** A discovery chain that was compiled from other entries than those that are there is told by what is different. */
import { describe, expect, it } from 'vitest';
import { look } from '../../../src/dataplanes/consul/apply.ts';
import { notYetCompiled } from '../../../src/dataplanes/consul/chain.ts';
import { consulDataPlane } from '../../../src/dataplanes/consul/data-plane.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { decided, fragmentOf, planOf } from './applying.ts';
import { memoryConsul } from './memory-consul.ts';

async function entriesAndChain(plan: ServicePlan) {
  const consul = memoryConsul();
  await consulDataPlane(consul, { defaultPolicy: 'deny', takeOver: false, decided }).apply(fragmentOf('catalog', 1, plan));
  const [live, compiled] = [await look(consul, 'catalog'), await consul.chain('catalog')];
  if ('message' in live || compiled.kind === 'refused') throw new Error('Nothing is refused here.');
  return { live, chain: compiled.chain };
}

const testers = (path: string, version = 'v2') => ({
  name: 'testers',
  match: { path: { exact: path } },
  split: [{ version, weight: 100 }],
});
const rest = {
  name: 'default',
  match: {},
  split: [
    { version: 'v1', weight: 90 },
    { version: 'v2', weight: 10 },
  ],
};
const weights = { v1: 90, v2: 10 };
const plan = planOf('catalog', weights, { routes: [testers('/a'), rest] });

describe('a discovery chain', () => {
  it('is compiled from its entries', async () => {
    const { live, chain } = await entriesAndChain(plan);
    expect(notYetCompiled(live, chain)).toBeUndefined();
  });

  it.each([
    ['the protocol', { ...plan, protocol: 'grpc' as const }],
    [
      'the routes',
      planOf(
        'catalog',
        { v1: 50, v2: 50 },
        {
          routes: [
            testers('/a'),
            {
              ...rest,
              split: [
                { version: 'v1', weight: 50 },
                { version: 'v2', weight: 50 },
              ],
            },
          ],
        },
      ),
    ],
    ['the routes', planOf('catalog', weights, { routes: [testers('/b'), rest] })],
    ['the routes', planOf('catalog', weights, { routes: [testers('/a', 'v1'), rest] })],
    ['the routes', planOf('catalog', weights, { routes: [rest] })],
    ['the subsets', { ...plan, connectTimeoutMs: 750 }],
    ['the subsets', { ...plan, loadBalancing: { policy: 'random' as const } }],
    ['the subsets', { ...plan, versions: plan.versions.map(({ name }) => ({ name, labels: { release: name } })) }],
  ])('that differs in %s is not yet that of the entries', async (difference, other) => {
    const [here, there] = [await entriesAndChain(plan), await entriesAndChain(other)];
    expect(notYetCompiled(here.live, there.chain)).toBe(difference);
    expect(notYetCompiled(there.live, here.chain)).toBe(difference);
  });

  it('of a service without entries is not that of any', async () => {
    const { live } = await entriesAndChain(plan);
    const nothing = await memoryConsul().chain('catalog');
    expect(nothing.kind === 'compiled' && notYetCompiled(live, nothing.chain)).toBe('the protocol');
  });
});
