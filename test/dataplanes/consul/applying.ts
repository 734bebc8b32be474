/**
 * What applying to Consul and observing it do, whatever Consul it is: held by the one in memory and by the real one. Each test has
 * services of its own.
 */
import { expect, it } from 'vitest';
import { consulDataPlane } from '../../../src/dataplanes/consul/data-plane.ts';
import type { Consul } from '../../../src/dataplanes/consul/server.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';
import type { PlannedSecurity, ServicePlan } from '../../../src/plan/plan.ts';
import type { Fragment } from '../../../src/reconcile/model.ts';

export interface Bench {
  readonly consul: Consul;
  /** As somebody else, over whatever is there. */
  put(entry: JsonObject): Promise<void>;
}

const KINDS = ['service-resolver', 'service-defaults', 'service-intentions', 'service-splitter', 'service-router'];
export const STRICT: PlannedSecurity = {
  stage: 'strict',
  trustDomain: 'mesh.example',
  serviceAccount: 'any',
  allow: [{ callers: [{ namespace: 'default', serviceAccount: 'web', service: 'web' }] }],
};

/** `weights` of the split by version. */
export function planOf(service: string, weights: Readonly<Record<string, number>>, more: Partial<ServicePlan> = {}): ServicePlan {
  const split = Object.entries(weights).map(([version, weight]) => ({ version, weight }));
  return {
    mesh: 'shop',
    service,
    namespace: 'default',
    port: 8080,
    protocol: 'http',
    selector: { app: service },
    versions: split.map(({ version }) => ({ name: version, labels: { version } })),
    routes: [{ name: 'default', match: {}, split }],
    dataPlanes: ['consul'],
    ...more,
  };
}

const newest = new Map<string, number>();

/** What a fragment is made of here is decided. */
export const fragmentOf = (service: string, revision: number, plan: ServicePlan | null): Fragment => {
  newest.set(service, Math.max(newest.get(service) ?? 0, revision));
  return { mesh: 'shop', service, revision, sequence: revision, plan };
};

export const decided = async (_mesh: string, service: string): Promise<number> => newest.get(service) ?? 0;

let named = 0;

/** Inside a `describe`; `bench` is asked for by each test. */
export function specifyApplying(bench: () => Bench): void {
  const open = (options: { takeOver?: boolean; consul?: Consul } = {}) => {
    const { takeOver = false, consul = bench().consul } = options;
    named += 1;
    const service = `service-${named}`;
    const dataPlane = consulDataPlane(consul, { defaultPolicy: 'deny', takeOver, decided });
    const fragment = (revision: number, weights: Readonly<Record<string, number>>, more: Partial<ServicePlan> = {}): Fragment =>
      fragmentOf(service, revision, planOf(service, weights, more));
    const entry = async (kind: string): Promise<JsonObject | undefined> => {
      const read = await consul.read(kind, service);
      return read.kind === 'found' ? read.entry : undefined;
    };
    const subsets = async (): Promise<readonly string[]> => Object.keys(Object((await entry('service-resolver'))?.Subsets)).sort();
    const kinds = async (): Promise<readonly string[]> => {
      const there = await Promise.all(KINDS.map(async (kind) => ((await entry(kind)) ? [kind] : [])));
      return there.flat();
    };
    return { service, dataPlane, fragment, entry, subsets, kinds };
  };

  it('writes what a plan means, and sees it compiled', async () => {
    const { dataPlane, fragment, kinds } = open();
    const first = fragment(1, { v1: 90, v2: 10 }, { security: STRICT });
    expect(await dataPlane.apply(first)).toEqual({ kind: 'applied' });
    expect(await kinds()).toEqual(KINDS);
    expect(await dataPlane.observe(first, 0)).toEqual({ kind: 'served' });
  });

  it('changes nothing when it is there already', async () => {
    const { dataPlane, fragment, entry } = open();
    const first = fragment(1, { v1: 100, v2: 0 }, { connectTimeoutMs: 1500, security: STRICT, loadBalancing: { policy: 'random' } });
    await dataPlane.apply(first);
    const indices = async () => Promise.all(KINDS.map(async (kind) => (await entry(kind))?.ModifyIndex));
    const before = await indices();
    expect(await dataPlane.apply(first)).toEqual({ kind: 'applied' });
    expect(await indices()).toEqual(before);
    expect(await dataPlane.observe(first, 0)).toEqual({ kind: 'served' });
  });

  it('puts no lower revision over a higher one, also where the higher one said nothing new', async () => {
    const { dataPlane, fragment, entry } = open();
    await dataPlane.apply(fragment(1, { v1: 100 }));
    await dataPlane.apply(fragment(3, { v1: 100 }));
    const late = fragment(2, { v1: 50, v2: 50 });
    expect(await dataPlane.apply(late)).toEqual({ kind: 'applied' });
    expect(await dataPlane.prune?.(late)).toEqual({ kind: 'applied' });
    expect((await entry('service-splitter'))?.Splits).toEqual([{ Weight: 100, ServiceSubset: 'v1' }]);
    expect(await dataPlane.observe(late, 0)).toEqual({ kind: 'served' });
  });

  it('leaves service-defaults alone that say the same: whatever they say, proxies are made anew from them', async () => {
    const { dataPlane, fragment, entry } = open();
    await dataPlane.apply(fragment(1, { v1: 90, v2: 10 }));
    const before = await entry('service-defaults');
    await dataPlane.apply(fragment(2, { v1: 50, v2: 50 }));
    expect((await entry('service-defaults'))?.ModifyIndex).toBe(before?.ModifyIndex);
    await dataPlane.apply(fragment(3, { v1: 50, v2: 50 }, { protocol: 'http2' }));
    expect((await entry('service-defaults'))?.Protocol).toBe('http2');
  });

  it('restores what was changed or deleted behind its back', async () => {
    const { service, dataPlane, fragment, entry, kinds } = open();
    const wanted = fragment(1, { v1: 90, v2: 10 });
    await dataPlane.apply(wanted);
    const splitter = await entry('service-splitter');
    const Splits = [{ Weight: 100, ServiceSubset: 'v2' }];
    await bench().put({ Kind: 'service-splitter', Name: service, Splits, Meta: splitter?.Meta ?? {} });
    const router = await bench().consul.read('service-router', service);
    if (router.kind === 'found') await bench().consul.remove('service-router', service, router.index);
    expect(await dataPlane.observe(wanted, 0)).toMatchObject({ kind: 'waiting' });
    await dataPlane.apply(wanted);
    expect((await entry('service-splitter'))?.Splits).toEqual(splitter?.Splits);
    expect(await kinds()).toContain('service-router');
    expect(await dataPlane.observe(wanted, 0)).toEqual({ kind: 'served' });
  });

  it('makes nothing anew of a service that was retired meanwhile', async () => {
    const { consul } = bench();
    let retire = async (): Promise<unknown> => undefined;
    const slow: Consul = {
      ...consul,
      async write(entry, over) {
        await retire();
        return consul.write(entry, over);
      },
    };
    const { service, dataPlane, fragment, kinds } = open({ consul: slow });
    await dataPlane.apply(fragment(1, { v1: 100 }));
    const late = fragment(2, { v1: 50, v2: 50 });
    const other = consulDataPlane(consul, { defaultPolicy: 'deny', takeOver: false, decided });
    retire = () => other.apply(fragmentOf(service, 3, null));
    expect(await dataPlane.apply(late)).toEqual({ kind: 'applied' });
    expect(await kinds()).toEqual([]);
  });

  it('says that a revision is there which was never decided here, and writes nothing over it', async () => {
    const { service, dataPlane, fragment, entry } = open();
    await dataPlane.apply({ ...fragment(1, { v1: 50, v2: 50 }), revision: 9 });
    const back = fragment(2, { v1: 100, v2: 0 });
    const refused = {
      kind: 'refused',
      message: expect.stringContaining(`The entries of ${service} carry a later revision than there is here`),
    };
    expect(await dataPlane.apply(back)).toEqual(refused);
    expect(await dataPlane.prune?.(back)).toEqual(refused);
    expect((await entry('service-splitter'))?.Splits).toEqual([
      { Weight: 50, ServiceSubset: 'v1' },
      { Weight: 50, ServiceSubset: 'v2' },
    ]);
  });

  it("refuses to write over somebody else's entry, names it, and leaves all as it was", async () => {
    const { service, dataPlane, fragment, kinds } = open();
    await bench().put({ Kind: 'service-defaults', Name: service, Protocol: 'http' });
    const applied = await dataPlane.apply(fragment(1, { v1: 100 }));
    expect(applied).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining(`service-defaults ${service} was written by somebody else`),
    });
    expect(await kinds()).toEqual(['service-defaults']);
  });

  it('takes nothing away where somebody else has an entry by then', async () => {
    const { service, dataPlane, fragment, kinds } = open();
    await dataPlane.apply(fragment(1, { v1: 100 }, { security: STRICT }));
    const plain = fragment(2, { v1: 100 });
    await dataPlane.apply(plain);
    await bench().put({ Kind: 'service-router', Name: service });
    expect(await dataPlane.prune?.(plain)).toMatchObject({ kind: 'refused', message: expect.stringContaining('service-router') });
    expect(await kinds()).toEqual(KINDS);
  });

  it("takes somebody else's entry over when asked to, with the fields that say nothing of a plan", async () => {
    const { service, dataPlane, fragment, entry } = open({ takeOver: true });
    const UpstreamConfig = { Overrides: [{ Name: 'stock', Limits: { MaxConnections: 7 } }] };
    await bench().put({ Kind: 'service-defaults', Name: service, Protocol: 'http2', UpstreamConfig, Meta: { team: 'shelf' } });
    const wanted = fragment(1, { v1: 100 });
    expect(await dataPlane.apply(wanted)).toEqual({ kind: 'applied' });
    expect(await entry('service-defaults')).toMatchObject({ Protocol: 'http', Meta: { team: 'shelf', 'meshwright/service': service } });
    expect(JSON.stringify((await entry('service-defaults'))?.UpstreamConfig)).toContain('"MaxConnections":7');
    expect(await dataPlane.observe(wanted, 0)).toEqual({ kind: 'served' });
    await dataPlane.apply(fragmentOf(service, 2, null));
    const { Protocol, Meta, UpstreamConfig: left } = (await entry('service-defaults')) ?? {};
    expect({ Protocol: Protocol ?? '', Meta }).toEqual({ Protocol: '', Meta: { team: 'shelf' } });
    expect(JSON.stringify(left)).toContain('"MaxConnections":7');
  });

  it.each([
    ['DefaultSubset', 'v1'],
    ['Redirect', { Service: 'elsewhere' }],
    ['Failover', { v2: { Service: 'elsewhere' } }],
  ])('has the resolver that it takes over lead by its %s until splitter and router lead', async (field, value) => {
    const { consul, put } = bench();
    let refused = '';
    const guarded: Consul = {
      ...consul,
      write: async (entry, over) => (entry.Kind === refused ? { kind: 'refused', message: 'no' } : consul.write(entry, over)),
    };
    const { service, dataPlane, fragment, entry, subsets } = open({ takeOver: true, consul: guarded });
    for (const Name of ['elsewhere', service]) await put({ Kind: 'service-defaults', Name, Protocol: 'http' });
    const Subsets = { v1: { Filter: 'Service.Meta["version"] == "v1"' }, v2: { Filter: 'Service.Meta["version"] == "v2"' } };
    await put({ Kind: 'service-resolver', Name: service, Subsets, [field]: value });
    const wanted = fragment(1, { v2: 0, v3: 100 });
    for (refused of ['service-defaults', 'service-splitter', 'service-router']) {
      for (const _again of [1, 2]) expect(await dataPlane.apply(wanted)).toMatchObject({ kind: 'refused' });
      expect(await entry('service-resolver')).toMatchObject({ [field]: value });
      expect(await subsets()).toEqual(['v1', 'v2', 'v3']);
    }
    refused = '';
    expect(await dataPlane.apply(wanted)).toEqual({ kind: 'applied' });
    expect((await entry('service-resolver'))?.[field]).toBeUndefined();
    expect(await dataPlane.observe(wanted, 0)).toEqual({ kind: 'served' });
    // Somebody's splitter, and the same in the resolver again.
    await put({ Kind: 'service-splitter', Name: service, Splits: [{ Weight: 100, ServiceSubset: 'v2' }] });
    await put({ ...(await entry('service-resolver')), [field]: value });
    refused = 'service-splitter';
    expect(await dataPlane.apply(wanted)).toMatchObject({ kind: 'refused' });
    expect(await entry('service-resolver')).toMatchObject({ [field]: value });
  });

  it.each([
    [{ 'meshwright/mesh': 'other', 'meshwright/service': 'catalog' }, 'in mesh other'],
    [{ 'external-source': 'kubernetes' }, 'consul-k8s'],
  ])('takes over neither what another mesh wrote nor what a controller would write back: %j', async (Meta, words) => {
    const { service, dataPlane, fragment } = open({ takeOver: true });
    await bench().put({ Kind: 'service-resolver', Name: service, Meta });
    expect(await dataPlane.apply(fragment(1, { v1: 100 }))).toMatchObject({ kind: 'refused', message: expect.stringContaining(words) });
  });

  it('keeps the subsets that proxies may still go by until what replaced them is served', async () => {
    const { dataPlane, fragment, subsets, kinds } = open();
    const before = fragment(1, { v1: 90, v2: 10 }, { security: STRICT });
    await dataPlane.apply(before);
    const after = fragment(2, { v2: 70, v3: 30 });
    expect(await dataPlane.apply(after)).toEqual({ kind: 'applied' });
    expect(await subsets()).toEqual(['v1', 'v2', 'v3']);
    expect(await kinds()).toContain('service-intentions');
    expect(await dataPlane.observe(after, 0)).toEqual({ kind: 'served' });
    expect(await dataPlane.prune?.(after)).toEqual({ kind: 'applied' });
    expect(await subsets()).toEqual(['v2', 'v3']);
    expect(await kinds()).not.toContain('service-intentions');
    expect(await dataPlane.observe(after, 0)).toEqual({ kind: 'served' });
  });

  it('takes everything away of a service that is gone', async () => {
    const { service, dataPlane, fragment, kinds } = open();
    await dataPlane.apply(fragment(1, { v1: 90, v2: 10 }, { security: STRICT }));
    const gone = fragmentOf(service, 2, null);
    expect(await dataPlane.apply(gone)).toEqual({ kind: 'applied' });
    expect(await kinds()).toEqual([]);
    expect(await dataPlane.observe(gone, 0)).toEqual({ kind: 'served' });
  });

  it('looks again when somebody was faster, and stops where that was a newer revision', async () => {
    const { consul } = bench();
    let between: () => Promise<unknown> = async () => undefined;
    const disturbed: Consul = {
      ...consul,
      async write(entry, over) {
        const disturb = between;
        between = async () => undefined;
        await disturb();
        return consul.write(entry, over);
      },
    };
    const { service, dataPlane, fragment, entry } = open({ consul: disturbed });
    const late = open({ consul: disturbed });
    const other = consulDataPlane(consul, { defaultPolicy: 'deny', takeOver: false, decided });
    between = () => other.apply(fragmentOf(service, 1, planOf(service, { v1: 100 })));
    expect(await dataPlane.apply(fragment(2, { v1: 80, v2: 20 }))).toEqual({ kind: 'applied' });
    expect((await entry('service-splitter'))?.Splits).toHaveLength(2);
    between = () => other.apply(fragmentOf(service, 4, planOf(service, { v2: 100 })));
    expect(await dataPlane.apply(fragment(3, { v1: 50, v2: 50 }))).toEqual({ kind: 'applied' });
    expect((await entry('service-splitter'))?.Splits).toEqual([{ Weight: 100, ServiceSubset: 'v2' }]);
    between = () => other.apply(fragmentOf(late.service, 2, planOf(late.service, { v2: 100 })));
    expect(await late.dataPlane.apply(late.fragment(1, { v1: 100 }))).toEqual({ kind: 'applied' });
    expect((await late.entry('service-splitter'))?.Splits).toEqual([{ Weight: 100, ServiceSubset: 'v2' }]);
  });

  it('says what is missing, and looks again when it changes while it waits', async () => {
    const consul = bench().consul;
    let meanwhile: (() => Promise<unknown>) | undefined;
    const waited: Consul = {
      ...consul,
      async chain(service, after) {
        const write = after && meanwhile;
        if (write) meanwhile = undefined;
        await write?.();
        return consul.chain(service, after);
      },
    };
    const { service, dataPlane, fragment } = open({ consul: waited });
    await dataPlane.apply(fragment(1, { v1: 100 }));
    const next = fragment(2, { v1: 100 }, { protocol: 'http2' });
    const waiting = await dataPlane.observe(next, 0);
    expect(waiting).toEqual({ kind: 'waiting', for: [], because: 'Consul does not have the service-resolver of this revision.' });
    const other = consulDataPlane(consul, { defaultPolicy: 'deny', takeOver: false, decided });
    meanwhile = () => other.apply(fragmentOf(service, 2, next.plan));
    expect(await dataPlane.observe(next, 0)).toEqual({ kind: 'served' });
    expect(meanwhile).toBeUndefined();
  });

  it('refuses what Consul cannot mean before it writes anything of it', async () => {
    const { dataPlane, fragment, kinds } = open();
    const applied = await dataPlane.apply(fragment(1, { v1: 100 }, { retryBudget: { percent: 20, minConcurrent: 3 } }));
    expect(applied).toMatchObject({ kind: 'refused', message: expect.stringMatching(/^retryBudget: Consul has no budget/) });
    expect(await kinds()).toEqual([]);
  });
}
