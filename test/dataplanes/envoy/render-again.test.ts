/** What is made anew when something changes, and what is not: by plan, by endpoint and by the identity of who asks. */
import { describe, expect, it } from 'vitest';
import { renderShared } from '../../../src/dataplanes/envoy/render.ts';
import type { EnvoyResource, Identity } from '../../../src/dataplanes/envoy/resources.ts';
import { collectGarbage } from '../../garbage.ts';
import { addressesOf, node, plan } from './rendered.ts';

describe('an identity', () => {
  const { identity } = node;
  it('changes nothing that is shared while no plan asks for mTLS, and then only what is about its services', () => {
    const other = plan({ service: 'stock', selector: { app: 'stock' } });
    const secured = plan({ security: { stage: 'shadow', trustDomain: 'mesh.example', serviceAccount: 'catalog', allow: [] } });
    expect(renderShared([plan({}), other], [], identity)).toEqual(renderShared([plan({}), other], []));
    const plain = renderShared([secured, other], []);
    const changed = renderShared([secured, other], [], identity).filter(
      (each, index) => JSON.stringify(each) !== JSON.stringify(plain[index]),
    );
    expect(changed.map(({ type, name }) => [type, name])).toEqual([['cluster', 'catalog.shop|v1']]);
  });
});

describe('rendering again', () => {
  const stock = plan({ service: 'stock', selector: { app: 'stock' } });
  const at = (port: number) => ({ service: 'catalog', version: 'v1', address: '10.0.0.1', port });
  const anew = (before: readonly EnvoyResource[], after: readonly EnvoyResource[]) => {
    const known = new Set(before.map(({ json }) => json));
    return after.filter(({ json }) => !known.has(json)).map(({ type, name }) => `${type} ${name}`);
  };

  it('makes anew only what has changed', () => {
    const before = renderShared([plan({}), stock], [at(1)]);
    expect(anew(before, renderShared([plan({}), stock], [at(1)]))).toEqual([
      'cluster catalog.shop|v1',
      'endpoints catalog.shop|v1',
      'route outbound',
    ]);
  });

  it('sees that endpoints come and go though the plans stay', () => {
    const plans = [plan({}), stock];
    const ports = [[1], [1, 2], [2], [], [1]].map((given) => renderShared(plans, given.map(at)));
    const assignments = ports.map((all) => all.find(({ type, name }) => type === 'endpoints' && name === 'catalog.shop|v1')?.json);
    expect(assignments.map((json) => addressesOf(json ?? {}).map((address) => address.split(' ')[1]))).toEqual([
      ['1'],
      ['1', '2'],
      ['2'],
      [],
      ['1'],
    ]);
    expect(anew(ports[0] ?? [], ports[1] ?? [])).toEqual(['endpoints catalog.shop|v1', 'route outbound']);
  });
});

describe('what is made for one identity', () => {
  it('is made once for as long as that is held, and is gone with it though the plans stay', async () => {
    const secured = plan({ security: { stage: 'strict', trustDomain: 'mesh.example', serviceAccount: 'catalog', allow: [] } });
    const clusterFor = (identity: Identity) => renderShared([secured], [], identity).find(({ type }) => type === 'cluster')?.json ?? {};
    const kept: Identity = { directory: '/kept' };
    const held = clusterFor(kept);
    const directories = Array.from({ length: 20 }, (_, index) => `/gone/${index}`);
    const made = directories.map((directory) => new WeakRef(clusterFor({ directory })));
    await collectGarbage();
    expect(made.filter((each) => each.deref() !== undefined)).toEqual([]);
    expect(clusterFor(kept)).toBe(held);
  });
});
