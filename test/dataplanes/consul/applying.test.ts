/** Applying and observing over Consul in memory. */
import { beforeAll, describe, expect, it } from 'vitest';
import { consulDataPlane } from '../../../src/dataplanes/consul/data-plane.ts';
import { decided, fragmentOf, planOf, STRICT, specifyApplying } from './applying.ts';
import { type MemoryConsul, memoryConsul } from './memory-consul.ts';
import { specifyReturning } from './returning.ts';

describe('applying to Consul in memory', () => {
  let consul: MemoryConsul;
  beforeAll(() => {
    consul = memoryConsul();
  });
  specifyApplying(() => ({ consul, put: consul.put }));
  specifyReturning(() => ({ consul, put: consul.put }));

  it('says which entry Consul refused, in its words', async () => {
    const words = 'Consul answered 403: Permission denied';
    const guarded = { ...consul, write: async () => ({ kind: 'refused', message: words }) as const };
    const dataPlane = consulDataPlane(guarded, { defaultPolicy: 'deny', takeOver: false, decided });
    const applied = await dataPlane.apply(fragmentOf('guarded', 1, planOf('guarded', { v1: 100 })));
    expect(applied).toEqual({ kind: 'refused', message: `service-resolver guarded: ${words}` });
  });
});

describe('Consul that answers too late', () => {
  const never = new Promise<never>(() => {});
  const over = (milliseconds: number) => AbortSignal.timeout(milliseconds);
  const fragment = fragmentOf('late', 1, planOf('late', { v1: 100 }));

  it('is not asked on: applying and pruning fail and are tried again, what is looked for is waited for', async () => {
    const consul = memoryConsul();
    const open = (more: Partial<MemoryConsul>) =>
      consulDataPlane({ ...consul, ...more }, { defaultPolicy: 'deny', takeOver: false, decided });
    const silent = open({ write: () => never, remove: () => never, chain: () => never });
    await expect(silent.apply(fragment, over(20))).rejects.toThrow('There was no time left to ask Consul');
    await open({}).apply(fragment);
    await consul.put({
      Kind: 'service-splitter',
      Name: 'late',
      Splits: [{ Weight: 100 }],
      Meta: { 'meshwright/mesh': 'shop', 'meshwright/service': 'late' },
    });
    await expect(silent.prune?.(fragment, over(20))).rejects.toThrow('There was no time left to ask Consul');
    const because = 'Consul did not say in time what it has.';
    expect(await silent.observe(fragment, 0, over(20))).toEqual({ kind: 'waiting', for: [], because });
  });

  it('throws all the same what is wrong with it while there is time', async () => {
    const away = { ...memoryConsul(), chain: () => Promise.reject(new Error('away')) };
    const dataPlane = consulDataPlane(away, { defaultPolicy: 'deny', takeOver: false, decided });
    await expect(dataPlane.observe(fragment, 0, over(60_000))).rejects.toThrow('away');
  });
});

describe('a service that is given to other clusters', () => {
  const given = (name: string) => ({
    Kind: 'exported-services',
    Name: 'default',
    Services: [{ Name: name, Consumers: [{ Peer: 'west' }] }],
  });
  const applied = async (name: string, defaultPolicy: 'allow' | 'deny') => {
    const consul = memoryConsul();
    await consul.put(given(name));
    const dataPlane = consulDataPlane(consul, { defaultPolicy, takeOver: false, decided });
    return (await dataPlane.apply(fragmentOf('catalog', 1, planOf('catalog', { v1: 100 }, { security: STRICT })))).kind;
  };

  it('cannot be kept from their callers where Consul allows by default', async () => {
    expect(await applied('catalog', 'allow')).toBe('refused');
    expect(await applied('*', 'allow')).toBe('refused');
    expect(await applied('stock', 'allow')).toBe('applied');
    expect(await applied('catalog', 'deny')).toBe('applied');
  });

  it('has its requests taken from a version all the same', async () => {
    const consul = memoryConsul();
    const dataPlane = consulDataPlane(consul, { defaultPolicy: 'allow', takeOver: false, decided });
    const strict = (revision: number, v1: number, v2: number) =>
      fragmentOf('returned', revision, planOf('returned', { v1, v2 }, { security: STRICT }));
    await dataPlane.apply(strict(1, 75, 25));
    await consul.put(given('returned'));
    expect(await dataPlane.apply(strict(2, 100, 0))).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('exported-services'),
    });
    const read = await consul.read('service-splitter', 'returned');
    expect(read).toMatchObject({ entry: { Splits: [{ Weight: 100, ServiceSubset: 'v1' }, { Weight: 0 }] } });
  });
});

describe('readiness', () => {
  it('is that of instances, by the key of Meta that the resolver names', async () => {
    const consul = memoryConsul();
    const dataPlane = consulDataPlane(consul, { defaultPolicy: 'deny', takeOver: false, decided });
    expect(await dataPlane.readiness('shop', 'catalog', 0)).toEqual({});
    const versions = ['v1', 'v2', 'v3'].map((name) => ({ name, labels: { 'app.kubernetes.io/version': name } }));
    await dataPlane.apply(fragmentOf('catalog', 1, planOf('catalog', { v1: 100, v2: 0, v3: 0 }, { versions })));
    const instance = (version: string, serves: boolean) => ({ meta: { app_kubernetes_io_version: version, version: 'x' }, serves });
    for (const each of [
      instance('v1', false),
      instance('v1', true),
      instance('v1', false),
      instance('v2', false),
      instance('v4', true),
      { meta: {}, serves: true },
    ])
      consul.addInstance(each);
    expect(await dataPlane.readiness('shop', 'catalog', 0)).toEqual({ v1: 'ready', v2: 'none', v3: 'none', v4: 'ready' });
  });
});
