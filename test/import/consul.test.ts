/** Config entries of Consul as a spec; what intentions mean hangs on Consul's default, so that nobody guesses it. */
import { describe, expect, it } from 'vitest';
import { alarmsOf, importedCase, importedObjects, linesOf, serviceOf } from './read-case.ts';

const imported = importedCase('consul', { consulDefault: 'deny' });
const billing = serviceOf(imported, 'billing');

describe('routing of Consul', () => {
  it('is routes, with the time-out that Envoy has where nothing is written', () => {
    expect(billing.routes).toEqual([
      {
        name: 'route-1',
        match: { path: { prefix: '/admin' }, headers: [{ name: 'x-team', exact: 'ops' }] },
        version: 'v2',
        timeoutMs: 10_000,
        retries: { attempts: 3, on: ['connect-failure'] },
      },
    ]);
    expect(billing).toMatchObject({ timeoutMs: 15_000, connectTimeoutMs: 5000, stable: 'v1', versionLabel: 'version' });
    expect(linesOf(imported)).toContainEqual(expect.stringMatching(/^approximated ServiceRouter billing spec: .*15 s/));
  });

  it('leaves out, and says, what a spec has no words for', () => {
    for (const part of [
      'spec.routes[1].match.http',
      'spec.routes[2].destination.service',
      'spec.subsets.v2.onlyPassing',
      'spec.loadBalancer',
      'spec.routes[0].destination.retryOnStatusCodes',
    ])
      expect(linesOf(imported)).toContainEqual(expect.stringContaining(` ${part}: `));
  });

  it('has whole percentages', () => {
    expect(linesOf(imported)).toContainEqual(expect.stringMatching(/99.5 : 0.5 are v1 100 %, v2 0 %/));
  });

  it('is read from custom resources of consul-k8s too', () => {
    const spec = { subsets: { v1: { filter: 'Service.Meta.version == v1' }, v2: { filter: 'Service.Meta.version == "v2"' } } };
    const apiVersion = 'consul.hashicorp.com/v1alpha1';
    const metadata = { name: 'billing', namespace: 'pay' };
    const splits = [
      { weight: 90, serviceSubset: 'v1' },
      { weight: 10, serviceSubset: 'v2' },
    ];
    const custom = importedObjects([
      { apiVersion, kind: 'ServiceResolver', metadata, spec },
      { apiVersion, kind: 'ServiceSplitter', metadata, spec: { splits } },
    ]);
    expect(custom.traffic.get('billing')).toEqual([
      { version: 'v1', weight: 90 },
      { version: 'v2', weight: 10 },
    ]);
  });
});

describe('intentions', () => {
  it('are whom they allow, up to the first denial', () => {
    expect(billing.mtls?.stage).toBe('strict');
    expect(billing.allow).toEqual([{ callers: [{ namespace: 'default', serviceAccount: 'web' }] }]);
    expect(alarmsOf(imported)).toContainEqual(expect.stringMatching(/spec.sources\[1\].permissions\[0\]: a spec does not deny/));
  });

  it('are not imported until somebody says what happens to the rest', () => {
    const unknown = importedCase('consul');
    expect(serviceOf(unknown, 'billing')).not.toHaveProperty('mtls');
    expect(alarmsOf(unknown)).toEqual([expect.stringMatching(/^question ServiceIntentions billing .*--consul-default/)]);
  });

  it('that let everybody else in are no `allow`', () => {
    const open = importedCase('consul', { consulDefault: 'allow' });
    expect(serviceOf(open, 'billing')).not.toHaveProperty('allow');
    expect(alarmsOf(open)).toContainEqual(expect.stringMatching(/whom it does not name may call/));
  });

  describe('of other namespaces and partitions', () => {
    const intentions = (destination: object, sources: readonly object[]) => {
      const metadata = { name: 'billing', namespace: 'default' };
      const apiVersion = 'consul.hashicorp.com/v1alpha1';
      const subsets = { v1: { filter: 'Service.Meta.version == v1' } };
      const splits = [{ weight: 100, serviceSubset: 'v1' }];
      return importedObjects(
        [
          { apiVersion, kind: 'ServiceResolver', metadata, spec: { subsets } },
          { apiVersion, kind: 'ServiceSplitter', metadata, spec: { splits } },
          { apiVersion, kind: 'ServiceIntentions', metadata, spec: { destination: { name: 'billing', ...destination }, sources } },
        ],
        { consulDefault: 'deny' },
      );
    };
    const web = { name: 'web', action: 'allow' };

    it('are of other callers, who are not let in as those of the same name here', () => {
      const read = intentions({}, [
        { ...web, namespace: 'other' },
        { ...web, partition: 'eu' },
        { ...web, namespace: 'default' },
      ]);
      expect(serviceOf(read, 'billing').allow).toEqual([{ callers: [{ namespace: 'default', serviceAccount: 'web' }] }]);
      expect(alarmsOf(read)).toEqual([
        expect.stringMatching(/spec.sources\[0\].namespace: a caller of another namespace/),
        expect.stringMatching(/spec.sources\[1\].partition: a caller of another partition/),
      ]);
    });

    it('let nobody in here', () => {
      const read = intentions({ namespace: 'other' }, [web]);
      expect(serviceOf(read, 'billing').allow ?? []).toEqual([]);
      expect(alarmsOf(read)).toContainEqual(expect.stringMatching(/not-imported ServiceIntentions billing/));
    });
  });
});
