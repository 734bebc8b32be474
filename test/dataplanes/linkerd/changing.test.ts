/**
 * What Linkerd's proxies do while who may call is changed: after each single write nobody gets in whom neither the spec before nor
 * the one after lets, nobody is turned away whom both let, and with the last write, before anything is pruned, the new spec holds.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linkerdDataPlane } from '../../../src/dataplanes/linkerd/data-plane.ts';
import { linkerdRenderer } from '../../../src/dataplanes/linkerd/renderer.ts';
import { isRefusal, judge } from '../../../src/plan/fidelity.ts';
import { arbitrarySecured, lets, type Secured, securedPlan, strict, writesFor } from '../kubernetes/changing.ts';
import { arbitraryCaller, arbitraryRequest } from '../kubernetes/requests.ts';
import { letsThrough } from './proxy-model.ts';

const web = { namespace: 'shop', serviceAccount: 'web' };
const prober = { namespace: 'shop', serviceAccount: 'prober' };
const get = { path: '/a', method: 'GET', headers: {} };
/** Where a service becomes strict, the callers are those that it was watched with: what changes both at once is not promised this. */
const arbitraryChange = fc
  .tuple(arbitrarySecured, arbitrarySecured)
  .map(([from, to]) => [from, from?.stage === 'shadow' && to?.stage === 'strict' ? { ...to, allow: from.allow } : to] as const);
const isRefused = (secured: Secured): boolean => judge(securedPlan(secured), linkerdRenderer.fidelity).some(isRefusal);

describe('a change of who may call', () => {
  it('lets nobody in whom no spec lets, and turns nobody away whom both let, whichever write was the last', async () => {
    let taken = 0;
    const calls = fc.array(fc.tuple(arbitraryCaller, arbitraryRequest), { minLength: 15, maxLength: 15 });
    await fc.assert(
      fc.asyncProperty(arbitraryChange, calls, async ([from, to], some) => {
        if (isRefused(from) || isRefused(to)) return;
        taken += 1;
        const states = await writesFor(linkerdDataPlane, from, to);
        for (const [caller, request] of some) {
          const [before, after] = [lets(from, caller, request), lets(to, caller, request)];
          const through = states.map((objects) => letsThrough(objects, caller, request));
          if (before === after) expect(through).toEqual(states.map(() => before));
          expect(through.at(-1)).toBe(after);
        }
      }),
      { numRuns: 400 },
    );
    expect(taken).toBeGreaterThan(60);
  });

  it('is whole before anything is pruned: a caller taken out of `allow` gets in no more', async () => {
    const states = await writesFor(linkerdDataPlane, strict([{ callers: [web, prober] }]), strict([{ callers: [web] }]));
    expect(states.map((objects) => letsThrough(objects, prober, get))).toContain(true);
    expect(letsThrough(states.at(-1) ?? [], prober, get)).toBe(false);
  });

  it('has a route for everything before any other, and after all others', async () => {
    const allow = [{ callers: [web], paths: [{ exact: '/a' }] }];
    for (const [from, to] of [
      ['permissive', 'shadow'],
      ['shadow', 'permissive'],
    ] as const) {
      const states = await writesFor(linkerdDataPlane, { stage: from, allow }, { stage: to, allow });
      expect(states.map((objects) => letsThrough(objects, web, { ...get, path: '/b' }))).not.toContain(false);
    }
  });
});
