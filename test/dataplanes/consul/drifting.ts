/** What drift is in Consul, whatever Consul it is: held by the one in memory and by the real one. Each test has a service of its own. */
import { expect, it } from 'vitest';
import { z } from 'zod';
import { consulDataPlane } from '../../../src/dataplanes/consul/data-plane.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';
import type { Difference } from '../../../src/reconcile/data-plane.ts';
import { type Bench, decided, fragmentOf, planOf, STRICT } from './applying.ts';

let named = 0;

/** Inside a `describe`; `bench` is asked for by each test. */
export function specifyDrift(bench: () => Bench): void {
  const open = async (takeOver = false) => {
    const { consul, put } = bench();
    named += 1;
    const service = `drifting-${named}`;
    const dataPlane = consulDataPlane(consul, { defaultPolicy: 'deny', takeOver, decided });
    const fragment = fragmentOf(service, 3, planOf(service, { v1: 90, v2: 10 }, { security: STRICT, connectTimeoutMs: 1500 }));
    await dataPlane.apply(fragment);
    const entry = async (kind: string): Promise<JsonObject> => {
      const read = await consul.read(kind, service);
      if (read.kind !== 'found') throw new Error(`There is no ${kind} ${service}.`);
      return read.entry;
    };
    const remove = async (kind: string) => {
      const read = await consul.read(kind, service);
      await consul.remove(kind, service, read.kind === 'found' ? read.index : 0);
    };
    const drift = async (): Promise<readonly Difference[]> => (await dataPlane.drift?.(fragment)) ?? [];
    return { service, dataPlane, fragment, entry, put, remove, drift };
  };

  it('is none of what was applied, nor of what others have beside it', async () => {
    const { drift, entry, put } = await open();
    expect(await drift()).toEqual([]);
    await put({ ...(await entry('service-defaults')), UpstreamConfig: { Defaults: { MeshGateway: { Mode: 'local' } } } });
    expect(await drift()).toEqual([]);
  });

  it('is what was deleted, and is gone when it is applied again', async () => {
    const { service, drift, remove, dataPlane, fragment } = await open();
    await remove('service-router');
    await remove('service-intentions');
    expect(await drift()).toEqual([
      { kind: 'missing', resource: `service-intentions ${service}` },
      { kind: 'missing', resource: `service-router ${service}` },
    ]);
    await dataPlane.apply(fragment);
    expect(await drift()).toEqual([]);
  });

  it('is of a later revision than there is here, as after a restore, until no entry carries one', async () => {
    const { service, dataPlane, fragment, entry, put, drift } = await open();
    const later = planOf(service, { v1: 50, v2: 50 }, { security: STRICT, connectTimeoutMs: 1500 });
    await dataPlane.apply({ ...fragment, revision: 9, plan: later });
    const message = expect.stringContaining(`The entries of ${service} carry a later revision than there is here`);
    expect(await drift()).toEqual([{ kind: 'foreign', resource: service, message }]);
    for (const kind of ['service-resolver', 'service-splitter', 'service-router', 'service-intentions']) {
      const { Meta, ...rest } = await entry(kind);
      const { 'meshwright/revision': _revision, ...bare } = z.record(z.string(), z.string()).parse(Meta);
      await put({ ...rest, Meta: bare });
    }
    expect((await drift()).map(({ kind }) => kind)).toContain('changed');
    expect(await dataPlane.apply(fragment)).toEqual({ kind: 'applied' });
    expect(await drift()).toEqual([]);
  });

  it('is what was changed, added or taken out: its path, what it is and what it should be, and nobody’s name', async () => {
    const { service, drift, entry, put, dataPlane, fragment } = await open();
    const splits = [
      { Weight: 40, ServiceSubset: 'v1' },
      { Weight: 60, ServiceSubset: 'v2' },
    ];
    await put({ ...(await entry('service-splitter')), Splits: splits });
    const { ConnectTimeout: _gone, ...resolver } = await entry('service-resolver');
    await put({ ...resolver, RequestTimeout: '3s' });
    const changed = { kind: 'changed', restorable: true } as const;
    expect(await drift()).toEqual([
      { ...changed, resource: `service-resolver ${service}`, path: 'ConnectTimeout', wanted: '"1.5s"' },
      { ...changed, resource: `service-resolver ${service}`, path: 'RequestTimeout', found: '"3s"' },
      { ...changed, resource: `service-splitter ${service}`, path: 'Splits[0].Weight', wanted: '90', found: '40' },
      { ...changed, resource: `service-splitter ${service}`, path: 'Splits[1].Weight', wanted: '10', found: '60' },
    ]);
    await dataPlane.apply(fragment);
    expect(await drift()).toEqual([]);
  });

  it('is what somebody else wrote in its place: left to them, or put back where that was asked for', async () => {
    const [left, taken] = [await open(), await open(true)];
    for (const { service, put } of [left, taken]) {
      await put({ Kind: 'service-splitter', Name: service, Splits: [{ Weight: 100, ServiceSubset: 'v2' }] });
    }
    const message = `service-splitter ${left.service} was written by somebody else, over what was there; delete that, or set \`takeOver: true\` on the data plane.`;
    expect(await left.drift()).toEqual([{ kind: 'foreign', resource: `service-splitter ${left.service}`, message }]);
    expect(await taken.drift()).toMatchObject([{ kind: 'changed', path: 'Splits', restorable: true }]);
    await taken.dataPlane.apply(taken.fragment);
    expect(await taken.drift()).toEqual([]);
  });

  it('is what is there again though it is rendered no more', async () => {
    const { service, drift, entry, put } = await open();
    const intentions = await entry('service-intentions');
    const plain = fragmentOf(service, 3, planOf(service, { v1: 90, v2: 10 }, { connectTimeoutMs: 1500 }));
    await put(intentions);
    const dataPlane = consulDataPlane(bench().consul, { defaultPolicy: 'deny', takeOver: false, decided });
    const { MutualTLSMode: _mode, ...defaults } = await entry('service-defaults');
    await put(defaults);
    expect(await dataPlane.drift?.(plain)).toEqual([{ kind: 'left-over', resource: `service-intentions ${service}` }]);
    expect(await drift()).toMatchObject([{ path: 'MutualTLSMode', wanted: '"strict"' }]);
  });

  it('is a revision that was never decided', async () => {
    const { service, drift, dataPlane } = await open();
    await dataPlane.apply(fragmentOf(service, 9, planOf(service, { v2: 100 })));
    expect(await drift()).toMatchObject([{ kind: 'foreign', resource: service, message: expect.stringContaining('a later revision') }]);
  });
}
