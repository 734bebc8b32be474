/** Whom nodes of one data plane are to trust, in what they are served: made once for all of them, and for none that has no identity. */
import { describe, expect, it } from 'vitest';
import type { EnvoyNode } from '../../src/dataplanes/envoy/resources.ts';
import { planService } from '../../src/plan/plan-service.ts';
import { fingerprintOf, type ModelledTrust } from '../../src/reconcile/model-trust.ts';
import { DataPlaneView } from '../../src/xds/data-plane-view.ts';
import type { EncodeResource } from '../../src/xds/protobuf.ts';
import { emptyRegistry } from '../../src/xds/registry.ts';
import { createAuthority } from '../dataplanes/envoy/identities.ts';
import { serviceSpec } from '../rollouts/story.ts';
import { testEncoder } from './real-envoy.ts';

const real = await testEncoder();
const [first, second] = await Promise.all([createAuthority('first'), createAuthority('second')]);
const plain: EnvoyNode = { id: 'plain', mesh: 'shop', dataPlane: 'vms', outbound: { address: '127.0.0.1', port: 15_001 } };
const inbound = { service: 'catalog', version: 'v1', address: '127.0.0.1', port: 15_006, workloadPort: 8080 };
const identified = (id: string, port: number): EnvoyNode => ({
  ...plain,
  id,
  inbound: { ...inbound, port },
  identity: { directory: '/id' },
});

function trusting(revision: number, ...authorities: readonly { readonly root: string }[]): ModelledTrust {
  const roots = authorities.map(({ root }) => root);
  const fingerprints = roots.map(fingerprintOf);
  const signer = { fingerprint: fingerprints[0] ?? '', certificate: roots[0] ?? '' };
  return {
    mesh: 'shop',
    trustDomain: 'mesh.example',
    revision,
    sequence: revision,
    roots,
    fingerprints,
    formerRoots: [],
    signer,
    renewWithinMs: 1,
    lives: { leafLifeMs: 60_000, skewMs: 15_000 },
  };
}

function viewing() {
  const encoded: string[] = [];
  const encode: EncodeResource = (resource) => {
    encoded.push(resource.type);
    return real(resource);
  };
  const view = new DataPlaneView('shop', 'vms', encode, (problem) => {
    throw new Error(problem);
  });
  const security = { stage: 'strict', trustDomain: 'mesh.example', serviceAccount: 'catalog', allow: [] } as const;
  const plan = { ...planService('shop', serviceSpec({ dataPlanes: ['vms'] }), { split: [{ version: 'v1', weight: 100 }] }), security };
  view.update([{ mesh: 'shop', service: 'catalog', revision: 1, sequence: 1, plan }], emptyRegistry(), 1);
  let sequence = 1;
  return {
    view,
    secretsEncoded: () => encoded.filter((type) => type === 'secret').length,
    take(trust: ModelledTrust) {
      view.trust(trust);
      sequence += 1;
      view.update([], emptyRegistry(), sequence);
    },
    duration(node: EnvoyNode, type: 'cluster' | 'listener') {
      const text = JSON.stringify([...(view.snapshotFor(node)?.sets[type].resources.values() ?? [])].map(({ json }) => json));
      return [...text.matchAll(/"max_connection_duration":"([^"]+)"/g)].map(([, ms]) => ms);
    },
    /** What its TLS contexts name as the bundle, in the order of the text. */
    sources(node: EnvoyNode) {
      const sets = view.snapshotFor(node)?.sets;
      const text = JSON.stringify(
        [...(sets?.cluster.resources.values() ?? []), ...(sets?.listener.resources.values() ?? [])].map(({ json }) => json),
      );
      return [...text.matchAll(/"name":"bundle","sds_config":\{"(\w+)"/g)].map(([, source]) => source);
    },
  };
}

describe('the bundle of nodes with an identity', () => {
  it('is a file of each until the mesh has roots, and comes over ADS from then on, in listeners and clusters', () => {
    const { sources, take, view } = viewing();
    expect(sources(identified('a', 15_006))).toEqual(['path_config_source', 'path_config_source']);
    take(trusting(1, first));
    expect(sources(identified('a', 15_006))).toEqual(['ads', 'ads']);
    expect(sources(plain)).toEqual([]);
    expect(view.snapshotFor(plain)?.sets.secret.resources.size).toBe(0);
  });

  it('is encoded once for all of them, and again only for other roots', () => {
    const { take, view, secretsEncoded } = viewing();
    const nodes = [identified('a', 15_006), identified('b', 15_007), identified('c', 15_008)];
    const sets = () => nodes.map((node) => view.snapshotFor(node)?.sets.secret);
    take(trusting(1, first));
    const [one, ...others] = sets();
    for (const other of others) expect(other).toBe(one);
    take(trusting(1, first));
    expect(sets().every((each) => each === one)).toBe(true);
    expect(secretsEncoded()).toBe(1);
    take(trusting(2, first, second));
    expect(new Set(sets()).size).toBe(1);
    expect(sets()[0]).not.toBe(one);
    expect(secretsEncoded()).toBe(2);
  });

  it('moves no cluster and no listener when the roots change', () => {
    const { take, view } = viewing();
    const node = identified('a', 15_006);
    take(trusting(1, first));
    const before = view.snapshotFor(node)?.sets;
    take(trusting(2, first, second));
    const after = view.snapshotFor(node)?.sets;
    expect([after?.cluster, after?.listener, after?.route]).toEqual([before?.cluster, before?.listener, before?.route]);
    expect(after?.cluster.fingerprint).toBe(before?.cluster.fingerprint);
    expect(after?.listener.fingerprint).toBe(before?.listener.fingerprint);
  });

  it('comes with how long a leaf lives: callers leave a connection then, and those it is with see to it within what clocks may be apart', () => {
    const { take, view, duration } = viewing();
    const node = identified('a', 15_006);
    expect([duration(node, 'cluster'), duration(node, 'listener')]).toEqual([[], []]);
    take(trusting(1, first));
    expect([duration(node, 'cluster'), duration(node, 'listener')]).toEqual([['60s'], ['70s']]);
    expect(JSON.stringify(view.snapshotFor(node)?.sets.listener.resources.get('inbound')?.json)).toContain('"drain_timeout":"5s"');
    expect([duration(plain, 'cluster'), duration(plain, 'listener')]).toEqual([[], []]);
    take({ ...trusting(2, first), lives: { leafLifeMs: 20_000, skewMs: 5_000 } });
    expect([duration(node, 'cluster'), duration(node, 'listener')]).toEqual([['20s'], ['22.500s']]);
  });

  it('comes without it from a build that did not say it', () => {
    const { take, duration } = viewing();
    const { lives: _unknown, ...older } = trusting(1, first);
    take(older);
    expect([duration(identified('a', 15_006), 'cluster'), duration(identified('a', 15_006), 'listener')]).toEqual([[], []]);
  });

  it('is known again by its set, and is never one of before', () => {
    const { take, view } = viewing();
    const node = identified('a', 15_006);
    take(trusting(2, first, second));
    const set = view.snapshotFor(node)?.sets.secret.fingerprint ?? '';
    expect(view.rootsIn(set)).toEqual([first, second].map(({ root }) => fingerprintOf(root)));
    take(trusting(1, first));
    expect(view.snapshotFor(node)?.sets.secret.fingerprint).toBe(set);
    expect(view.rootsIn('another')).toEqual([]);
  });
});
