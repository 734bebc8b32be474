/** Arbitrary normalized specs and splits. */
import fc from 'fast-check';
import type { RetriesSpec, RolloutSpec, RouteSpec, ServiceSpec } from '../../src/spec/schema.ts';
import { RETRY_CONDITIONS } from '../../src/spec/schema.ts';

const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,6}[a-z0-9])?$/);
const version = fc.stringMatching(/^v[0-9]{1,2}([._-][a-zA-Z0-9]{1,3})?$/);
const milliseconds = fc.integer({ min: 1, max: 86_400_000 });

const retries: fc.Arbitrary<RetriesSpec> = fc.record(
  { attempts: fc.integer({ min: 0, max: 10 }), perTryTimeoutMs: milliseconds, on: fc.subarray([...RETRY_CONDITIONS]) },
  { requiredKeys: ['attempts', 'on'] },
);

const route = fc.record(
  {
    name,
    match: fc.oneof<fc.Arbitrary<RouteSpec['match']>[]>(
      name.map((path) => ({ path: { prefix: `/${path}` } })),
      name.map((header) => ({ headers: [{ name: header, exact: 'yes' }] })),
      fc.constant({ methods: ['GET'] }),
    ),
    version,
    timeoutMs: milliseconds,
    retries,
  },
  { requiredKeys: ['name', 'match'] },
);

const steps = fc
  .uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 5 })
  .map((weights) => [...weights.sort((a, b) => a - b), 100].map((weight) => ({ weight, holdMs: 60_000, deadlineMs: 120_000 })));

export const serviceSpecs: fc.Arbitrary<ServiceSpec> = fc.record(
  {
    name,
    team: name,
    namespace: name,
    port: fc.integer({ min: 1, max: 65_535 }),
    protocol: fc.constantFrom('http', 'http2', 'grpc'),
    dataPlanes: fc.uniqueArray(name, { minLength: 1, maxLength: 3 }).map((names) => names.sort()),
    versionLabel: fc.constantFrom('version', 'app.kubernetes.io/version'),
    stable: version,
    routes: fc.uniqueArray(route, { maxLength: 4, selector: (each) => each.name }),
    timeoutMs: milliseconds,
    retries,
    rollout: steps.map(
      (each): RolloutSpec => ({
        strategy: 'canary',
        steps: each,
        pauseDeadlineMs: 1000,
        startDeadlineMs: 1000,
        returnDeadlineMs: 1000,
      }),
    ),
    alerts: fc.array(fc.record({ rule: name }), { maxLength: 2 }),
    deployments: fc.array(
      name.map((repository) => ({ repository: `shop.azurecr.io/${repository}` })),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: ['name', 'namespace', 'port', 'protocol', 'dataPlanes', 'versionLabel', 'routes', 'rollout', 'alerts', 'deployments'] },
);

/** Splits of one to three versions, unsorted, zeros included. */
export const splits = fc
  .tuple(fc.uniqueArray(version, { minLength: 1, maxLength: 3 }), fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 100 }))
  .map(([versions, a, b]) => {
    const cuts = [0, ...[a, b].sort((x, y) => x - y).slice(0, versions.length - 1), 100];
    return versions.map((each, index) => ({ version: each, weight: (cuts[index + 1] ?? 0) - (cuts[index] ?? 0) }));
  });
