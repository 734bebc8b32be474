import { describe, expect, it } from 'vitest';
import type { Alert } from '../../src/intake/alerts.ts';
import type { Deployment } from '../../src/intake/deployments.ts';
import { servicesFor, servicesForAlert } from '../../src/intake/matching.ts';
import { adopted } from './services.ts';

function deployment(from: Deployment['from']): Deployment {
  return { kind: 'deployment', deliveryId: 'd', occurredAt: 0, from };
}
const push = (repository: string) => deployment({ kind: 'registry', repository, tag: 'v2', digest: 'sha256:1' });
const write = (resourceId: string) => deployment({ kind: 'resource', resourceId, operation: 'write' });

describe('which services a deployment means', () => {
  const shop = adopted('shop', {
    catalog: 'deployments: [{ repository: Shop.azurecr.io/catalog }]',
    search: 'deployments: [{ repository: shop.azurecr.io/search }, { repository: shop.azurecr.io/catalog }]',
    basket:
      "deployments: [{ resource: '/subscriptions/*/resourceGroups/shop/providers/Microsoft.App/containerApps/basket*/revisions/*--{version}' }]",
  });

  it('finds every service of the repository, in its tag and digest', () => {
    expect(servicesFor(push('shop.azurecr.io/catalog'), [shop])).toEqual([
      { mesh: 'shop', service: 'catalog', version: 'v2', digest: 'sha256:1' },
      { mesh: 'shop', service: 'search', version: 'v2', digest: 'sha256:1' },
    ]);
  });

  it('compares hosts in any case and repositories exactly', () => {
    expect(servicesFor(push('SHOP.azurecr.io/search'), [shop])).toHaveLength(1);
    expect(servicesFor(push('shop.azurecr.io/Search'), [shop])).toEqual([]);
    expect(servicesFor(push('shop.azurecr.io/catalog/api'), [shop])).toEqual([]);
    expect(servicesFor(push('other.azurecr.io/catalog'), [shop])).toEqual([]);
  });

  const revision = '/subscriptions/0c6f/resourcegroups/SHOP/providers/microsoft.app/containerapps/basket-eu/revisions/basket-eu--V2.1';
  it('takes the version out of a resource id, whose case Azure changes', () => {
    expect(servicesFor(write(revision), [shop])).toEqual([{ mesh: 'shop', service: 'basket', version: 'V2.1' }]);
    expect(servicesFor(write(`${revision}/`), [shop])).toHaveLength(1);
  });

  it('lets * stand for a part of one segment only, and dots for dots', () => {
    expect(servicesFor(write(revision.replace('/0c6f/', '/0c6f/more/')), [shop])).toEqual([]);
    expect(servicesFor(write(revision.replace('microsoft.app', 'microsoftXapp')), [shop])).toEqual([]);
    expect(servicesFor(write(`${revision}/more`), [shop])).toEqual([]);
    expect(servicesFor(write(revision.replace('V2.1', '')), [shop])).toEqual([]);
    expect(servicesFor(write(revision.replace('V2.1', 'V2 1')), [shop])).toEqual([]);
  });

  it('takes a request by name, in its mesh or in all', () => {
    const other = adopted('depot', { catalog: '' });
    const ask = (mesh?: string) =>
      deployment({ kind: 'request', service: 'catalog', version: 'v3', ...(mesh === undefined ? {} : { mesh }) });
    expect(servicesFor(ask(), [shop, other]).map(({ mesh }) => mesh)).toEqual(['shop', 'depot']);
    expect(servicesFor(ask('depot'), [shop, other])).toEqual([{ mesh: 'depot', service: 'catalog', version: 'v3' }]);
    expect(servicesFor(ask('none'), [shop, other])).toEqual([]);
  });
});

describe('which services an alert speaks for', () => {
  const VM = '/subscriptions/0c6f/resourceGroups/shop/providers/Microsoft.Compute/virtualMachines/one';
  const shop = adopted('shop', {
    catalog: 'alerts: [catalog 5xx]',
    search: `alerts: [{ target: ${VM} }]`,
    basket: 'alerts: [{ rule: errors, dimension: { name: cloud/roleName, value: basket } }]',
    quiet: '',
  });
  const depot = adopted('depot', { catalog: 'alerts: [catalog 5xx]' });
  const names = (alert: Partial<Alert>) =>
    servicesForAlert({ ...fired, ...alert }, [shop, depot]).map(({ mesh, service }) => `${mesh}/${service}`);

  it('by the name of the rule, in any case', () => {
    expect(names({ rule: 'Catalog 5XX' })).toEqual(['shop/catalog', 'depot/catalog']);
    expect(names({ rule: 'catalog 5xx and more' })).toEqual([]);
  });

  it('by a target resource, in any case', () => {
    expect(names({ targets: ['/subscriptions/0c6f/other', VM.toUpperCase()] })).toEqual(['shop/search']);
  });

  it('by rule and dimension, when both hold', () => {
    const dimensions = [{ name: 'Cloud/RoleName', value: 'basket' }];
    expect(names({ rule: 'errors', dimensions })).toEqual(['shop/basket']);
    expect(names({ rule: 'errors' })).toEqual([]);
    expect(names({ dimensions })).toEqual([]);
    expect(names({ rule: 'errors', dimensions: [{ name: 'cloud/roleName', value: 'Basket' }] })).toEqual([]);
  });

  it('by its custom properties, which win over all entries', () => {
    expect(names({ rule: 'catalog 5xx', custom: { 'meshwright.service': 'quiet' } })).toEqual(['shop/quiet']);
    expect(names({ custom: { 'meshwright.service': 'catalog', 'meshwright.mesh': 'depot' } })).toEqual(['depot/catalog']);
    expect(names({ rule: 'catalog 5xx', custom: { 'meshwright.mesh': 'depot' } })).toEqual(['depot/catalog']);
    expect(names({ rule: 'catalog 5xx', custom: { 'meshwright.service': 'Catalog' } })).toEqual([]);
  });

  it('for none when nothing fits', () => {
    expect(names({ rule: 'disk full' })).toEqual([]);
  });
});

const fired: Alert = {
  kind: 'alert',
  deliveryId: 'a',
  alertId: 'a',
  rule: 'none',
  condition: 'fired',
  severity: 'Sev1',
  firedAt: 0,
  targets: [],
  dimensions: [],
  custom: {},
  summary: 'it fired.',
};
