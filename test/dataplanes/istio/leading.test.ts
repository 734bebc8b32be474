/** What routes lead to, of Istio and of Gateway API: which clusters have to be there before they are written. */
import { describe, expect, it } from 'vitest';
import { leadingOf } from '../../../src/dataplanes/gateway-api/leading.ts';
import { LEADING } from '../../../src/dataplanes/istio/subsets.ts';

const name = { namespace: 'shop', name: 'catalog' };

describe('a VirtualService', () => {
  const spec = (...route: object[]) => ({ hosts: ['catalog'], http: [{ name: 'default', route }] });
  const to = (host: string, subset: string, weight?: number) => ({
    destination: { host, subset },
    ...(weight === undefined ? {} : { weight }),
  });

  it('leads to subsets that get requests, by the full name of their host', () => {
    const { home, targets } = LEADING;
    const routes = spec(to('catalog', 'v1', 95), to('catalog', 'v2', 5), to('catalog', 'v3', 0));
    expect(targets(name, routes)).toEqual([
      { subset: 'v1', host: 'catalog.shop.svc.' },
      { subset: 'v2', host: 'catalog.shop.svc.' },
    ]);
    expect(targets(name, spec(to('catalog.other.svc.cluster.local', 'v1')))).toEqual([
      { subset: 'v1', host: 'catalog.other.svc.cluster.local' },
    ]);
    expect([home(name, routes), home(name, spec()), home(name, undefined)]).toEqual(['catalog.shop.svc.', undefined, undefined]);
  });
});

describe('an HTTPRoute', () => {
  const spec = (weights: Record<string, number>, more: object = {}) => ({
    rules: [{ ...more, backendRefs: Object.entries(weights).map(([backend, weight]) => ({ kind: 'Service', name: backend, weight })) }],
  });
  const { home, targets, isUntold } = leadingOf('catalog');

  it('leads to Services that get requests', () => {
    expect(home(name, {})).toBe('catalog.shop.svc.');
    expect(targets(name, spec({ 'catalog-v1': 100, 'catalog-v2': 0 }))).toEqual([{ subset: '', host: 'catalog-v1.shop.svc.' }]);
  });

  it('is no other to proxies without a backend that gets nothing, and another in everything else', () => {
    const before = spec({ 'catalog-v1': 0, 'catalog-v2': 100 });
    expect(isUntold(before, spec({ 'catalog-v2': 100 }))).toBe(true);
    expect(isUntold(before, spec({ 'catalog-v1': 1, 'catalog-v2': 99 }))).toBe(false);
    expect(isUntold(before, spec({ 'catalog-v2': 100 }, { timeouts: { request: '1s' } }))).toBe(false);
    expect(isUntold(undefined, undefined)).toBe(false);
  });
});
