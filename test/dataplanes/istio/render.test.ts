/** What every rendering of routes for Istio keeps, whatever the plan. What single objects look like is in test/golden. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderIstio } from '../../../src/dataplanes/istio/render.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { renderable, rendered } from './objects.ts';

const holds = (property: (plan: ServicePlan) => void): void => fc.assert(fc.property(renderable, property));

describe('rendering for Istio', () => {
  it('gives subsets before the routes that name them, and every subset that a route or a mirror names is there', () =>
    holds((plan) => {
      const { objects, rule, inside, outside } = rendered(plan);
      const kinds = objects.map(({ kind }) => kind);
      expect(kinds.lastIndexOf('DestinationRule')).toBeLessThan(kinds.indexOf('VirtualService'));
      const subsets = rule.spec.subsets.map(({ name }) => name);
      expect(new Set(subsets).size).toBe(plan.versions.length);
      const routes = [inside, ...outside].flatMap(({ spec }) => spec.http);
      for (const { destination } of routes.flatMap(({ route, mirrors = [] }) => [...route, ...mirrors])) {
        expect(subsets).toContain(destination.subset);
        expect(destination.host).toBe(rule.spec.host);
      }
    }));

  it('writes every weight of the plan, 0 included, to the subset with the labels of its version', () =>
    holds((plan) => {
      const { rule, inside } = rendered(plan);
      const labelsOf = new Map(rule.spec.subsets.map(({ name, labels }) => [name, labels]));
      const written = inside.spec.http.map(({ route }) =>
        route.map(({ destination, weight }) => [labelsOf.get(destination.subset)?.version, weight]),
      );
      expect(written).toEqual(plan.routes.map(({ split }) => split.map(({ version, weight }) => [version, weight])));
    }));

  it('writes retries out for every route, since Istio retries where nothing is said', () =>
    holds((plan) => {
      const attempts = rendered(plan).inside.spec.http.map(({ retries }) => retries.attempts);
      expect(attempts).toEqual(plan.routes.map(({ retries }) => (retries === undefined || retries.on.length === 0 ? 0 : retries.attempts)));
    }));

  it('keeps every condition: one entry a method, each with all headers and the path', () =>
    holds((plan) => {
      for (const [index, { match }] of rendered(plan).inside.spec.http.entries()) {
        const { path, methods, headers = [] } = plan.routes[index]?.match ?? {};
        if (path === undefined && methods === undefined && headers.length === 0) expect(match).toBeUndefined();
        else expect(match).toHaveLength(methods?.length ?? 1);
        for (const entry of match ?? []) {
          expect(Object.keys(entry.uri ?? {})).toEqual(Object.keys(path ?? {}));
          expect(Object.keys({ ...entry.headers, ...entry.withoutHeaders }).sort()).toEqual(headers.map(({ name }) => name).sort());
        }
      }
    }));

  it('has one VirtualService a host, since Istio does not merge two of them for sidecars', () =>
    holds((plan) => {
      const { inside, outside } = rendered(plan);
      const hosts = [inside, ...outside].flatMap(({ spec }) => spec.hosts);
      expect(hosts).toEqual([plan.service, ...new Set((plan.ingress ?? []).map(({ host }) => host).sort())]);
    }));

  it('serves each outside name at its own gateways and at no other, and none of them inside the mesh', () =>
    holds((plan) => {
      const { inside, outside } = rendered(plan);
      expect(inside.spec.gateways).toBeUndefined();
      const served = outside.flatMap(({ spec }) =>
        spec.hosts.flatMap((host) => (spec.gateways ?? []).map((gateway) => `${host} ${gateway}`)),
      );
      expect(served.sort()).toEqual((plan.ingress ?? []).map(({ host, gateway }) => `${host} ${gateway.namespace}/${gateway.name}`).sort());
    }));

  it('routes calls from outside as those from inside, to the port of the service whatever the port of the gateway', () =>
    holds((plan) => {
      const { inside, outside } = rendered(plan);
      const atPort = inside.spec.http.map((route) => ({
        ...route,
        route: route.route.map((each) => ({ ...each, destination: { ...each.destination, port: { number: plan.port } } })),
        ...(route.mirrors
          ? { mirrors: route.mirrors.map((each) => ({ ...each, destination: { ...each.destination, port: { number: plan.port } } })) }
          : {}),
      }));
      for (const { spec } of outside) expect(spec.http).toEqual(atPort);
    }));

  it('marks every object, so that what a mesh no longer has can be found, and names no two of a kind alike', () =>
    holds((plan) => {
      const { objects } = rendered(plan);
      const labels = {
        'app.kubernetes.io/managed-by': 'meshwright',
        'meshwright.dev/mesh': plan.mesh,
        'meshwright.dev/service': plan.service,
      };
      for (const { metadata } of objects) expect(metadata).toMatchObject({ namespace: plan.namespace, labels });
      expect(new Set(objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`)).size).toBe(objects.length);
    }));

  it('is the same for any order of what has none in a plan', () =>
    holds((plan) => {
      const turned: ServicePlan = {
        ...plan,
        versions: plan.versions.toReversed(),
        routes: plan.routes.map((route) => ({ ...route, split: route.split.toReversed() })),
        ...(plan.egress ? { egress: plan.egress.toReversed() } : {}),
        ...(plan.ingress ? { ingress: plan.ingress.toReversed() } : {}),
      };
      expect(JSON.stringify(renderIstio(turned))).toBe(JSON.stringify(renderIstio(plan)));
    }));
});

describe('how endpoints are called', () => {
  it('has limits at the subsets, since those of the host would hold at the service for all its callers together', () =>
    holds((plan) => {
      const { rule } = rendered(plan);
      const limits = rule.spec.subsets.map(({ trafficPolicy }) => trafficPolicy?.connectionPool);
      expect(new Set(limits.map((each) => JSON.stringify(each))).size).toBe(1);
      expect(limits[0] !== undefined).toBe(
        plan.protocol !== 'http' || plan.connectTimeoutMs !== undefined || Object.keys(plan.circuitBreaker ?? {}).length > 0,
      );
    }));

  it('never puts regions in order without an outlier detection, since Istio would ignore their order', () =>
    holds((plan) => {
      const { trafficPolicy } = rendered(plan).rule.spec;
      const ordered = trafficPolicy?.loadBalancer?.localityLbSetting?.enabled === true;
      expect(ordered).toBe(plan.failover !== undefined);
      if (ordered) expect(trafficPolicy.outlierDetection).toBeDefined();
      // The one that is only there for the order ejects nobody.
      if (!plan.outlierDetection) expect(trafficPolicy?.outlierDetection?.consecutive5xxErrors ?? 0).toBe(0);
    }));
});

const sampled = (): ServicePlan => ({
  mesh: 'sample',
  service: 'catalog',
  namespace: 'shop',
  port: 80,
  protocol: 'http',
  selector: { app: 'catalog' },
  versions: [{ name: 'v1', labels: { version: 'v1' } }],
  routes: [{ name: 'default', match: {}, split: [{ version: 'v1', weight: 100 }] }],
  dataPlanes: [],
});

describe('where endpoints are', () => {
  const locality = (over: Partial<ServicePlan>) => {
    const plan = { ...sampled(), ...over };
    return rendered(plan).rule.spec.trafficPolicy?.loadBalancer?.localityLbSetting;
  };
  const outlierDetection = { consecutiveErrors: 5, intervalMs: 1_000, ejectionMs: 1_000, maxEjectionPercent: 50 };

  it('is not looked at where no regions are asked for, which Istio would do with outlier detection by itself', () => {
    expect(locality({})).toBeUndefined();
    expect(locality({ outlierDetection })).toEqual({ enabled: false });
    expect(locality({ outlierDetection, failover: ['west'] })).toMatchObject({ enabled: true });
  });
});

describe('a path', () => {
  const uriOf = (path: NonNullable<ServicePlan['routes'][number]['match']['path']>) => {
    const routes = [{ name: 'default', match: { path }, split: [{ version: 'v1', weight: 100 }] }];
    return rendered({ ...sampled(), routes }).inside.spec.http[0]?.match?.[0]?.uri;
  };

  it('is written as Envoy compares it, which has normalized the path of the request', () => {
    expect(uriOf({ exact: '/caf\u00e9 a' })).toEqual({ exact: '/caf%C3%A9%20a' });
    expect(uriOf({ prefix: '/a%7Eb' })).toEqual({ prefix: '/a~b' });
    expect(uriOf({ regex: '/é+' })).toEqual({ regex: '/é+' });
  });
});

describe('what the presence of a header means', () => {
  const matching = (...headers: NonNullable<ServicePlan['routes'][number]['match']['headers']>) =>
    renderIstio({ ...sampled(), routes: [{ name: 'default', match: { headers }, split: [{ version: 'v1', weight: 100 }] }] });

  it('is said already by a condition on its value', () => {
    expect(JSON.stringify(matching({ name: 'x-a', present: true }, { name: 'x-a', prefix: 'b' }))).toContain(
      '"headers":{"x-a":{"prefix":"b"}}',
    );
  });
});
