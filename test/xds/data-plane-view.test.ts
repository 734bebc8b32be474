/** One data plane as the xds server knows it: a plan that cannot be served is its own service's trouble, and nobody else's. */
import { describe, expect, it } from 'vitest';
import type { EnvoyNode } from '../../src/dataplanes/envoy/resources.ts';
import { planService } from '../../src/plan/plan-service.ts';
import type { Fragment } from '../../src/reconcile/model.ts';
import { DataPlaneView } from '../../src/xds/data-plane-view.ts';
import { emptyRegistry } from '../../src/xds/registry.ts';
import { collectGarbage } from '../garbage.ts';
import { serviceSpec } from '../rollouts/story.ts';
import { testEncoder } from './real-envoy.ts';

const encode = await testEncoder();
const caller: EnvoyNode = { id: 'caller', mesh: 'shop', dataPlane: 'vms', outbound: { address: '127.0.0.1', port: 15_001 } };
/** No google.protobuf.Duration is as long. */
const TOO_LONG_MS = 1e20;

function fragment(service: string, sequence: number, version: string, timeoutMs = 1_000): Fragment {
  const spec = { ...serviceSpec({ name: service, dataPlanes: ['vms'] }), timeoutMs };
  return { mesh: 'shop', service, revision: sequence, sequence, plan: planService('shop', spec, { split: [{ version, weight: 100 }] }) };
}
const bad = (service: string, sequence: number): Fragment => fragment(service, sequence, 'v2', TOO_LONG_MS);

function viewing() {
  const problems: string[] = [];
  const view = new DataPlaneView('shop', 'vms', encode, (problem) => problems.push(problem));
  return {
    view,
    problems,
    update: (changed: readonly Fragment[], sequence: number) => view.update(changed, emptyRegistry(), sequence),
    /** The clusters that the caller is given. */
    clusters: () => [...(view.snapshotFor(caller)?.sets.cluster.resources.keys() ?? [])],
    refused: () => view.refused().map(({ name, sequence }) => [name, sequence]),
  };
}

describe('a plan that cannot be encoded', () => {
  it('is not served; its service keeps the one before, and every other goes on', () => {
    const { view, update, clusters, refused, problems } = viewing();
    update([fragment('catalog', 1, 'v1'), fragment('cart', 2, 'v1')], 2);
    update([bad('catalog', 3), fragment('cart', 4, 'v2')], 4);
    expect(clusters()).toEqual(['cart.shop|v2', 'catalog.shop|v1']);
    expect(view.snapshotFor(caller)?.sequence).toBe(4);
    expect(refused()).toEqual([['catalog.shop', 3]]);
    expect(problems).toEqual([
      expect.stringMatching(/^The plan of catalog at 3 is not served on shop\/vms; the one before stays: .*outbound/),
    ]);

    update([fragment('cart', 5, 'v3')], 5);
    expect(clusters()).toEqual(['cart.shop|v3', 'catalog.shop|v1']);
  });

  it('is found among many, and no other is left out with it', () => {
    const { update, clusters, refused } = viewing();
    const names = Array.from({ length: 20 }, (_, index) => `s${index + 10}`);
    const wrong = new Set(['s13', 's14', 's29']);
    update(
      names.map((name, index) => (wrong.has(name) ? bad(name, index + 1) : fragment(name, index + 1, 'v1'))),
      20,
    );
    expect(clusters()).toEqual(names.filter((name) => !wrong.has(name)).map((name) => `${name}.shop|v1`));
    expect(refused()).toEqual([
      ['s13.shop', 4],
      ['s14.shop', 5],
      ['s29.shop', 20],
    ]);
  });

  it('counts as a change of its service all the same: somebody waits for it', () => {
    const { view, update } = viewing();
    update([fragment('catalog', 1, 'v1'), fragment('cart', 2, 'v1')], 2);
    update([bad('catalog', 3)], 3);
    expect(view.changedSince(2)).toEqual(['catalog']);
    expect(view.changedSince(0).toSorted()).toEqual(['cart', 'catalog']);
  });

  it('is forgotten when the next one can, or when its service is gone', () => {
    const { update, refused, clusters } = viewing();
    update([bad('catalog', 1), bad('cart', 2)], 2);
    update([fragment('catalog', 3, 'v3')], 3);
    expect(refused()).toEqual([['cart.shop', 2]]);
    update([{ ...bad('cart', 4), plan: null }], 4);
    expect(refused()).toEqual([]);
    expect(clusters()).toEqual(['catalog.shop|v3']);
  });
});

describe('a plan that cannot be read', () => {
  const unreadable = { service: 'catalog', sequence: 2, message: 'protocol is not known' };

  it('leaves the one before', () => {
    const { view, update, clusters, refused } = viewing();
    update([fragment('catalog', 1, 'v1')], 1);
    view.update([], emptyRegistry(), 2, [{ ...unreadable, namespace: 'shop', dataPlanes: ['vms'] }]);
    expect(clusters()).toEqual(['catalog.shop|v1']);
    expect(refused()).toEqual([['catalog.shop', 2]]);
  });

  it('keeps the Envoys before its workloads closed where none was there before, and they say why', () => {
    const { view, problems } = viewing();
    const unread = [{ ...unreadable, namespace: 'shop', dataPlanes: ['vms'] }];
    view.update([fragment('cart', 1, 'v1')], emptyRegistry(), 2, unread);
    const inbound = { service: 'catalog', version: 'v1', address: '127.0.0.1', port: 15_006, workloadPort: 8080 };
    const listeners = (node: EnvoyNode) => [...(view.snapshotFor(node)?.sets.listener.resources.keys() ?? [])];
    for (const node of [
      { ...caller, inbound },
      { ...caller, inbound, identity: { directory: '/a' } },
    ]) {
      expect(listeners(node)).toEqual(['outbound']);
      expect(view.refusedBy(node)).toMatchObject({ name: 'catalog.shop', message: expect.stringContaining('protocol is not known') });
    }
    expect(problems).toContainEqual(expect.stringMatching(/^The node caller .*protocol is not known/));

    view.update([fragment('catalog', 3, 'v1')], emptyRegistry(), 3);
    expect(listeners({ ...caller, inbound })).toEqual(['inbound', 'outbound']);
    expect(view.refusedBy({ ...caller, inbound })).toBeUndefined();
    view.update([{ ...fragment('catalog', 4, 'v1'), plan: null }], emptyRegistry(), 4);
    expect(listeners({ ...caller, inbound })).toEqual(['outbound']);
  });

  it('is nothing to a data plane that it does not name', () => {
    const { view, refused } = viewing();
    view.update([], emptyRegistry(), 2, [{ ...unreadable, namespace: 'shop', dataPlanes: ['east'] }]);
    expect(refused()).toEqual([]);
  });
});

describe('lists that overlap', () => {
  it('leave the newer plan', () => {
    const { update, clusters } = viewing();
    update([fragment('catalog', 5, 'v2')], 5);
    update([fragment('catalog', 3, 'v1')], 5);
    expect(clusters()).toEqual(['catalog.shop|v2']);
  });
});

describe('what nodes with an identity are served', () => {
  const identity = (directory: string): EnvoyNode => ({ ...caller, identity: { directory } });
  const secured = (sequence: number, stage: 'permissive' | 'strict'): Fragment => {
    const { plan, ...rest } = fragment('catalog', sequence, 'v1');
    const security = { stage, trustDomain: 'mesh.example', serviceAccount: 'catalog', allow: [] };
    return { ...rest, plan: plan && { ...plan, security } };
  };
  const clusterOf = (view: DataPlaneView, node: EnvoyNode, name: string) => view.snapshotFor(node)?.sets.cluster.resources.get(name);

  it('is what all are served, while no service asks for mTLS', () => {
    const { view, update } = viewing();
    update([fragment('catalog', 1, 'v1')], 1);
    expect(view.snapshotFor(identity('/a'))?.shared).toBe(view.snapshotFor(caller)?.shared);
  });

  it('is one for all of one directory; services without mTLS are the same bytes for everybody', () => {
    const { view, update } = viewing();
    update([secured(1, 'permissive'), fragment('cart', 2, 'v1')], 2);
    expect(view.snapshotFor(identity('/a'))?.shared).toBe(view.snapshotFor({ ...identity('/a'), id: 'other' })?.shared);
    for (const node of [identity('/a'), identity('/b')]) {
      expect(clusterOf(view, node, 'cart.shop|v1')?.bytes).toBe(clusterOf(view, caller, 'cart.shop|v1')?.bytes);
      expect(clusterOf(view, node, 'catalog.shop|v1')?.bytes).not.toEqual(clusterOf(view, caller, 'catalog.shop|v1')?.bytes);
    }
    expect(clusterOf(view, identity('/a'), 'catalog.shop|v1')?.bytes).not.toEqual(
      clusterOf(view, identity('/b'), 'catalog.shop|v1')?.bytes,
    );
  });

  it('follows the plans, and what has not changed is the same object as before', () => {
    const { view, update } = viewing();
    update([secured(1, 'permissive'), fragment('cart', 2, 'v1')], 2);
    const before = clusterOf(view, identity('/a'), 'catalog.shop|v1');
    update([fragment('cart', 3, 'v2')], 3);
    expect(clusterOf(view, identity('/a'), 'cart.shop|v2')).toBeDefined();
    expect(clusterOf(view, identity('/a'), 'catalog.shop|v1')).toBe(before);
    update([secured(4, 'strict')], 4);
    view.forgetUnused();
    expect(clusterOf(view, identity('/a'), 'catalog.shop|v1')?.json).toHaveProperty('transport_socket');
  });

  it('is not kept once nobody with that identity asks for it any more', async () => {
    const { view, update } = viewing();
    update([secured(1, 'permissive')], 1);
    const gone = new WeakRef(clusterOf(view, identity('/gone'), 'catalog.shop|v1')?.json ?? {});
    const stays = clusterOf(view, identity('/stays'), 'catalog.shop|v1');
    update([fragment('cart', 2, 'v1')], 2);
    expect(clusterOf(view, identity('/stays'), 'catalog.shop|v1')).toBe(stays);
    view.forgetUnused();
    await collectGarbage();
    expect(gone.deref()).toBeUndefined();
    expect(clusterOf(view, identity('/stays'), 'catalog.shop|v1')).toBe(stays);
  });

  it('is told apart from what a node cannot serve without one', () => {
    const { view, update } = viewing();
    const inbound = { service: 'catalog', version: 'v1', address: '127.0.0.1', port: 15_006, workloadPort: 8080 };
    update([secured(1, 'permissive')], 1);
    expect(view.refusedBy({ ...caller, inbound })).toBeUndefined();
    update([secured(2, 'strict')], 2);
    expect(view.refusedBy({ ...caller, inbound })).toMatchObject({ name: 'catalog.shop', sequence: 2 });
    expect(view.refusedBy({ ...identity('/a'), inbound })).toBeUndefined();
    expect(view.refusedBy(caller)).toBeUndefined();
    const listeners = (node: EnvoyNode) => [...(view.snapshotFor(node)?.sets.listener.resources.keys() ?? [])];
    expect([listeners({ ...caller, inbound }), listeners({ ...identity('/a'), inbound })]).toEqual([['outbound'], ['inbound', 'outbound']]);
  });
});

describe('what a node is served', () => {
  const elsewhere: EnvoyNode = { ...caller, id: 'elsewhere', outbound: { address: '127.0.0.1', port: 15_002 } };
  const listenerOf = (view: DataPlaneView, node: EnvoyNode) =>
    view.snapshotFor(node)?.sets.listener.resources.get('outbound')?.json.address;

  it('is made once for all that listen alike, and apart for one that listens elsewhere', () => {
    const { view, update } = viewing();
    update([fragment('catalog', 1, 'v1')], 1);
    expect(view.snapshotFor({ ...caller, id: 'another' })).toBe(view.snapshotFor(caller));
    expect(listenerOf(view, elsewhere)).toMatchObject({ socket_address: { port_value: 15_002 } });
    expect(listenerOf(view, caller)).toMatchObject({ socket_address: { port_value: 15_001 } });
  });

  it('is the newest for a node that comes after a change nobody asked for', () => {
    const { view, update, clusters } = viewing();
    update([fragment('catalog', 1, 'v1')], 1);
    view.snapshotFor(caller);
    update([fragment('catalog', 2, 'v2')], 2);
    view.forgetUnused();
    expect(clusters()).toEqual(['catalog.shop|v2']);
  });
});
