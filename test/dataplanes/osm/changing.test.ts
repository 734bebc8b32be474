/**
 * What OSM's sidecars do while who may call is changed: after each single write nobody gets in whom neither the spec before nor the
 * one after lets, nobody is turned away whom both let, and with the last write, before anything is pruned, the new spec holds.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DesiredObject } from '../../../src/dataplanes/kubernetes/cluster.ts';
import { osmDataPlane } from '../../../src/dataplanes/osm/data-plane.ts';
import { MESH_CONFIG } from '../../../src/dataplanes/osm/kinds.ts';
import { osmRenderer } from '../../../src/dataplanes/osm/renderer.ts';
import { isRefusal, judge } from '../../../src/plan/fidelity.ts';
import { arbitraryStrict, lets, type Secured, securedPlan, strict, writesFor } from '../kubernetes/changing.ts';
import { arbitraryCaller, arbitraryRequest } from '../kubernetes/requests.ts';
import { allows } from './osm-model.ts';

const meshConfig: DesiredObject = {
  kind: MESH_CONFIG,
  metadata: { namespace: 'osm-system', name: 'osm-mesh-config', labels: {}, annotations: {} },
  content: { spec: { traffic: { enablePermissiveTrafficPolicyMode: false } } },
};
const isRefused = (secured: Secured): boolean => judge(securedPlan(secured), osmRenderer.fidelity).some(isRefusal);
const writes = (from: Secured, to: Secured) =>
  writesFor((options) => osmDataPlane({ ...options, controlPlaneNamespace: 'osm-system' }), from, to, [meshConfig]);

describe('a change of who may call', () => {
  it('lets nobody in whom no spec lets, and turns nobody away whom both let, whichever write was the last', async () => {
    let taken = 0;
    const calls = fc.array(fc.tuple(arbitraryCaller, arbitraryRequest), { minLength: 15, maxLength: 15 });
    await fc.assert(
      fc.asyncProperty(arbitraryStrict, arbitraryStrict, calls, async (from, to, some) => {
        if (isRefused(from) || isRefused(to)) return;
        taken += 1;
        const states = await writes(from, to);
        for (const [caller, request] of some) {
          const [before, after] = [lets(from, caller, request), lets(to, caller, request)];
          for (const inSomeOrder of [
            (objects: (typeof states)[number]) => objects,
            (objects: (typeof states)[number]) => objects.toReversed(),
          ]) {
            const through = states.map((objects) => allows(inSomeOrder(objects), 'catalog', caller, request));
            if (before === after) expect(through).toEqual(states.map(() => before));
            expect(through.at(-1)).toBe(after);
          }
        }
      }),
      { numRuns: 300 },
    );
    expect(taken).toBeGreaterThan(30);
  });

  it('goes through no moment without a rule for a caller of both, when callers change places', async () => {
    const [web, prober, janitor] = ['web', 'prober', 'janitor'].map((serviceAccount) => ({ namespace: 'shop', serviceAccount }));
    if (!web || !prober || !janitor) throw new Error('three callers');
    const rules = (some: typeof web, others: typeof web) =>
      strict([
        { callers: [some, janitor], paths: [{ exact: '/a' }] },
        { callers: [others, janitor], paths: [{ exact: '/b' }] },
      ]);
    const states = await writes(rules(web, prober), rules(prober, web));
    const calls = (caller: typeof web, path: string) =>
      states.map((objects) => allows(objects, 'catalog', caller, { path, method: 'GET', headers: {} }));
    expect([...calls(janitor, '/a'), ...calls(janitor, '/b')]).not.toContain(false);
    expect([calls(web, '/a').at(-1), calls(web, '/b').at(-1)]).toEqual([false, true]);
  });
});
