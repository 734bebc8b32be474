/**
 * What every rendering for Istio keeps, whatever the plan. What single objects look like is in test/golden.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { renderIstio } from '../../../src/dataplanes/istio/render.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { arbitraryPlan } from '../../plan/arbitraries.ts';

const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const stringMatch = z.union([
  z.strictObject({}),
  z.strictObject({ exact: z.string() }),
  z.strictObject({ prefix: z.string() }),
  z.strictObject({ regex: z.string() }),
]);
/** Istio refuses less than 1 ms; proto JSON has no unit but seconds. */
const duration = z
  .string()
  .regex(/^[0-9]+(\.[0-9]{3})?s$/)
  .refine((text) => Number.parseFloat(text) >= 0.001);
const metadata = z.strictObject({ name: z.string(), namespace: z.string(), labels: z.record(z.string(), z.string()) });

const destinationRuleSchema = z.strictObject({
  apiVersion: z.literal('networking.istio.io/v1'),
  kind: z.literal('DestinationRule'),
  metadata,
  spec: z.strictObject({
    host: z.string(),
    subsets: z.array(z.strictObject({ name: z.string().regex(DNS_LABEL), labels: z.record(z.string(), z.string()) })),
  }),
});

const virtualServiceSchema = z.strictObject({
  apiVersion: z.literal('networking.istio.io/v1'),
  kind: z.literal('VirtualService'),
  metadata,
  spec: z.strictObject({
    hosts: z.array(z.string()),
    http: z.array(
      z.strictObject({
        name: z.string(),
        match: z
          .array(
            z.strictObject({
              uri: stringMatch.optional(),
              method: stringMatch.optional(),
              headers: z.record(z.string(), stringMatch).optional(),
              withoutHeaders: z.record(z.string(), stringMatch).optional(),
            }),
          )
          .min(1)
          .optional(),
        route: z.array(
          z.strictObject({ destination: z.strictObject({ host: z.string(), subset: z.string() }), weight: z.int().min(0).max(100) }),
        ),
        timeout: duration.optional(),
        retries: z.union([
          z.strictObject({ attempts: z.literal(0) }),
          z.strictObject({ attempts: z.int().min(1), perTryTimeout: duration.optional(), retryOn: z.string().min(1) }),
        ]),
      }),
    ),
  }),
});

/** The two objects, in the order in which they are applied. */
function rendered(plan: ServicePlan) {
  const [rule, service, ...more] = renderIstio(plan);
  expect(more).toEqual([]);
  return { rule: destinationRuleSchema.parse(rule), service: virtualServiceSchema.parse(service) };
}

describe('rendering for Istio', () => {
  it('gives subsets before the routes that name them, and every subset a route names is there', () => {
    fc.assert(
      fc.property(arbitraryPlan, (plan) => {
        const { rule, service } = rendered(plan);
        const subsets = rule.spec.subsets.map(({ name }) => name);
        expect(new Set(subsets).size).toBe(plan.versions.length);
        for (const { route } of service.spec.http) for (const { destination } of route) expect(subsets).toContain(destination.subset);
      }),
    );
  });

  it('writes every weight of the plan, 0 included, to the subset with the labels of its version', () => {
    fc.assert(
      fc.property(arbitraryPlan, (plan) => {
        const { rule, service } = rendered(plan);
        const labelsOf = new Map(rule.spec.subsets.map(({ name, labels }) => [name, labels]));
        const written = service.spec.http.map(({ route }) =>
          route.map(({ destination, weight }) => [labelsOf.get(destination.subset)?.version, weight]),
        );
        expect(written).toEqual(plan.routes.map(({ split }) => split.map(({ version, weight }) => [version, weight])));
      }),
    );
  });

  it('writes retries out for every route, since Istio retries where nothing is said', () => {
    fc.assert(
      fc.property(arbitraryPlan, (plan) => {
        const attempts = rendered(plan).service.spec.http.map(({ retries }) => retries.attempts);
        expect(attempts).toEqual(
          plan.routes.map(({ retries }) => (retries === undefined || retries.on.length === 0 ? 0 : retries.attempts)),
        );
      }),
    );
  });

  it('keeps every condition: one entry a method, each with all headers and the path', () => {
    fc.assert(
      fc.property(arbitraryPlan, (plan) => {
        for (const [index, { match }] of rendered(plan).service.spec.http.entries()) {
          const { path, methods, headers = [] } = plan.routes[index]?.match ?? {};
          if (path === undefined && methods === undefined && headers.length === 0) expect(match).toBeUndefined();
          else expect(match).toHaveLength(methods?.length ?? 1);
          for (const entry of match ?? []) {
            expect(entry.uri).toEqual(path);
            expect(Object.keys({ ...entry.headers, ...entry.withoutHeaders }).sort()).toEqual(headers.map(({ name }) => name).sort());
          }
        }
      }),
    );
  });

  it('marks both objects, so that what a mesh no longer has can be found', () => {
    fc.assert(
      fc.property(arbitraryPlan, (plan) => {
        const { rule, service } = rendered(plan);
        const labels = {
          'app.kubernetes.io/managed-by': 'meshwright',
          'meshwright.dev/mesh': plan.mesh,
          'meshwright.dev/service': plan.service,
        };
        expect([rule.metadata, service.metadata]).toEqual(Array(2).fill({ name: plan.service, namespace: plan.namespace, labels }));
        expect([service.spec.hosts, rule.spec.host]).toEqual([[plan.service], plan.service]);
      }),
    );
  });
});

describe('what the presence of a header means', () => {
  const matching = (...headers: NonNullable<ServicePlan['routes'][number]['match']['headers']>) =>
    renderIstio({
      mesh: 'sample',
      service: 'catalog',
      namespace: 'shop',
      port: 80,
      protocol: 'http',
      selector: { app: 'catalog' },
      versions: [{ name: 'v1', labels: {} }],
      routes: [{ name: 'default', match: { headers }, split: [{ version: 'v1', weight: 100 }] }],
      dataPlanes: [],
    });

  it('is said already by a condition on its value', () => {
    expect(JSON.stringify(matching({ name: 'x-a', present: true }, { name: 'x-a', prefix: 'b' }))).toContain(
      '"headers":{"x-a":{"prefix":"b"}}',
    );
  });
});
