/** A data plane that answers late, or not at all, and what the loop sees of it. */
import { describe, expect, it, vi } from 'vitest';
import { PATIENCE, type Patience, remoteDataPlanes } from '../../src/adapters/remote-data-plane.ts';
import { CLAIM_MS } from '../../src/journal/journal.ts';
import type { DataPlane, Observation } from '../../src/reconcile/data-plane.ts';
import { planOf } from '../dataplanes/consul/applying.ts';

const NEVER = new Promise<never>(() => {});
const patience: Patience = {
  readinessMs: 20,
  freshMs: 500,
  rememberMs: 2_000,
  applyMs: 1_000,
  observeMs: 1_000,
  pruneMs: 1_000,
  lookEachMs: 10,
};
const fragment = { mesh: 'shop', service: 'catalog', revision: 1, sequence: 1, plan: null };

/** A control plane somewhere else; each answer is what the test gives. */
function far(answers: Partial<DataPlane>): DataPlane {
  return { apply: () => NEVER, observe: () => NEVER, readiness: () => NEVER, ...answers };
}

describe('readiness of a data plane far away', () => {
  it('is unknown to a decision that would have to wait, and known to the next one', async () => {
    let answer = (_: Record<string, 'ready' | 'none'>) => {};
    const slow = far({ readiness: () => new Promise((resolve) => (answer = resolve)) });
    const plane = remoteDataPlanes(() => 0, patience)('aks', slow);
    expect(await plane.readiness('shop', 'catalog', 0)).toEqual({});
    answer({ v1: 'ready' });
    await vi.waitFor(async () => expect(await plane.readiness('shop', 'catalog', 0)).toEqual({ v1: 'ready' }));
  });

  it('is asked for once, however many decide meanwhile, and again when the answer is old', async () => {
    let now = 0;
    const readiness = vi.fn(async () => ({ v1: 'ready' as const }));
    const planes = remoteDataPlanes(() => now, patience);
    await Promise.all([1, 2, 3].map(() => planes('aks', far({ readiness })).readiness('shop', 'catalog', 0)));
    now = patience.rememberMs - 1;
    await planes('aks', far({ readiness })).readiness('shop', 'catalog', 0);
    expect(readiness).toHaveBeenCalledTimes(1);
    now = patience.rememberMs;
    await planes('aks', far({ readiness })).readiness('shop', 'catalog', 0);
    expect(readiness).toHaveBeenCalledTimes(2);
  });

  it('is asked anew and waited for where it must be fresh', async () => {
    const answers = [
      Promise.resolve({}),
      new Promise<{ v1: 'none' }>((resolve) => setTimeout(resolve, patience.readinessMs * 3, { v1: 'none' })),
    ];
    const plane = remoteDataPlanes(() => 0, patience)('aks', far({ readiness: () => answers.shift() ?? NEVER }));
    expect(await plane.readiness('shop', 'catalog', 0)).toEqual({});
    expect(await plane.readiness('shop', 'catalog', 0, true)).toEqual({ v1: 'none' });
    expect(await plane.readiness('shop', 'catalog', 0, true)).toEqual({});
  });

  it("is each data plane's own, and a failure is told and not remembered", async () => {
    const planes = remoteDataPlanes(() => 0, patience);
    expect(await planes('east', far({ readiness: async () => ({ v1: 'none' }) })).readiness('shop', 'catalog', 0)).toEqual({ v1: 'none' });
    const away = far({ readiness: () => Promise.reject(new Error('away')) });
    await expect(planes('west', away).readiness('shop', 'catalog', 0)).rejects.toThrow('away');
    const back = far({ readiness: async () => ({ v1: 'ready' }) });
    expect(await planes('west', back).readiness('shop', 'catalog', 0)).toEqual({ v1: 'ready' });
  });
});

describe('looking at what was applied', () => {
  const observing = (...seen: readonly Observation[]) => {
    let looks = 0;
    const observe = vi.fn(async (): Promise<Observation> => seen[Math.min(looks++, seen.length - 1)] ?? { kind: 'served' });
    return { observe, plane: (now: () => number) => remoteDataPlanes(now, patience)('aks', far({ observe })) };
  };
  const waiting: Observation = { kind: 'waiting', for: ['proxy-1'] };

  it('goes on until it is served or refused', async () => {
    const { plane } = observing(waiting, waiting, { kind: 'served' });
    expect(await plane(() => 0).observe(fragment, 0)).toEqual({ kind: 'served' });
    const { plane: refusing } = observing(waiting, { kind: 'rejected', node: 'proxy-1', message: 'no' });
    expect(await refusing(() => 0).observe(fragment, 0)).toMatchObject({ kind: 'rejected' });
  });

  it('ends in time to be taken up again by the loop', async () => {
    let now = 0;
    const { plane, observe } = observing(waiting);
    observe.mockImplementation(async () => {
      now += 400;
      return waiting;
    });
    expect(await plane(() => now).observe(fragment, 0)).toEqual(waiting);
    expect(observe).toHaveBeenCalledTimes(3);
  });
});

describe('the time of a data plane far away', () => {
  it('ends by itself, for each thing it does, before the claim of its effect does', async () => {
    const told: string[] = [];
    const whenOver = <Answer>(what: string, answer: Answer, until: AbortSignal | undefined): Promise<Answer> =>
      new Promise((resolve) =>
        until?.addEventListener('abort', () => {
          told.push(what);
          resolve(answer);
        }),
      );
    const slow = far({
      apply: (_, until) => whenOver('apply', { kind: 'applied' }, until),
      observe: (_fragment, _now, until) => whenOver('observe', { kind: 'served' }, until),
      prune: (_, until) => whenOver('prune', { kind: 'applied' }, until),
    });
    const plane = remoteDataPlanes(() => 0, { ...patience, applyMs: 5, observeMs: 5, pruneMs: 5 })('aks', slow);
    await plane.apply(fragment);
    await plane.observe(fragment, 0);
    await plane.prune?.(fragment);
    expect(told).toEqual(['apply', 'observe', 'prune']);
    const { freshMs, applyMs, observeMs, pruneMs } = PATIENCE;
    expect(freshMs + applyMs + observeMs + pruneMs).toBeLessThan(CLAIM_MS);
  });
});

describe('what else a data plane far away does', () => {
  it('is done there: what only served what came before is pruned, drift and dry runs are looked for', async () => {
    const asked: string[] = [];
    const prune = async () => {
      asked.push('prune');
      return { kind: 'applied' as const };
    };
    const drift = async () => [{ kind: 'missing' as const, resource: 'service-router catalog' }];
    const dryRun = async () => ({ proxies: [{ proxy: 'proxy-1', wouldRefuse: 3 }] });
    const plane = remoteDataPlanes(() => 0, patience)('vms', far({ prune, drift, dryRun }));
    expect(await plane.prune?.(fragment)).toEqual({ kind: 'applied' });
    expect(asked).toEqual(['prune']);
    expect(await plane.drift?.(fragment)).toEqual(await drift());
    expect(await plane.dryRun?.(planOf('catalog', { v1: 100 }), { sequence: 1, now: 0 })).toEqual(await dryRun());
  });

  it('is nothing where it cannot do that', () => {
    const plane = remoteDataPlanes(() => 0, patience)('vms', far({}));
    expect([plane.prune, plane.drift, plane.dryRun]).toEqual([undefined, undefined, undefined]);
  });
});
