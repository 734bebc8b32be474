/**
 * Nothing of a plan is lost on the way to Gateway API, Linkerd or Open Service Mesh: of whatever they do not refuse, a single value
 * that is changed changes the objects, but for the values listed here, of which the fidelity table says that they make no difference.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rendererOf } from '../../src/dataplanes/renderers.ts';
import { isRefusal, judge } from '../../src/plan/fidelity.ts';
import type { PlannedRoute, ServicePlan } from '../../src/plan/plan.ts';
import { servicePlanSchema } from '../../src/plan/stored-plan.ts';
import type { DataPlaneSpec } from '../../src/spec/schema.ts';
import { arbitraryPlan } from '../plan/arbitraries.ts';
import { changedAt, leaves, type Place, withoutIndexes } from './one-value-changed.ts';

const reached = { name: 'aks', takeOver: false, observe: true, controlPlaneNamespace: 'mesh-system' };
interface Mesh {
  readonly dataPlane: DataPlaneSpec;
  /** Places without their indexes, and why another value there makes no difference. */
  readonly same: Readonly<Record<string, string>>;
  /** What has to have been tried. */
  readonly policies: readonly string[];
}

const inService = {
  dataPlanes: 'where it is applied is not for the renderer to say',
  'routes.name': 'routes are told apart by what they match',
  'selector.app': 'the labels of these versions say it too',
};
const identity = {
  'security.trustDomain': 'the mesh completes identities with its own',
  'security.serviceAccount': 'the workload has its identity from Kubernetes',
};
const byStatus = { 'routes.retries.on': 'approximated: conditions without a status are tried again with any retries' };

const meshes: Readonly<Record<string, Mesh>> = {
  'gateway-api': {
    dataPlane: { kind: 'gateway-api', ...reached, experimental: false },
    same: inService,
    policies: ['routes.mirror.percent', 'routes.timeoutMs', 'routes.match.headers', 'routes.match.methods', 'ingress.gateway.namespace'],
  },
  'gateway-api, experimental': {
    dataPlane: { kind: 'gateway-api', ...reached, experimental: true },
    same: { ...inService, ...byStatus },
    policies: ['routes.retries.attempts', 'routes.retries.perTryTimeoutMs', 'ingress.host'],
  },
  linkerd: {
    dataPlane: { kind: 'linkerd', name: 'aks', takeOver: false, observe: true },
    same: { ...inService, ...identity, ...byStatus, 'outlierDetection.intervalMs': 'approximated: looked at with each answer' },
    policies: [
      'outlierDetection.consecutiveErrors',
      'security.stage',
      'security.allow.callers',
      'security.allow.methods',
      'routes.retries.attempts',
    ],
  },
  osm: {
    dataPlane: { kind: 'osm', ...reached },
    same: { ...inService, ...identity, protocol: 'approximated: passed on as it comes' },
    policies: [
      'connectTimeoutMs',
      'circuitBreaker.maxConnections',
      'circuitBreaker.maxRequestsPerConnection',
      'security.allow.callers',
      'egress.host',
      'egress.port',
    ],
  },
};

/** The plan without what the data plane refuses of it. */
function sayable(plan: ServicePlan, { fidelity }: ReturnType<typeof rendererOf>): ServicePlan {
  const refused = judge(plan, fidelity).find(isRefusal);
  return refused ? sayable(without(plan, refused.where), { fidelity, render: () => [] }) : plan;
}

/** Where the place of a refusal has another name than the key of the plan. */
const KEYS: Readonly<Record<string, string>> = { mtls: 'security', connectTimeout: 'connectTimeoutMs' };

function without(plan: ServicePlan, where: string): ServicePlan {
  const [part = '', name, piece = ''] = where.split('.');
  const { security } = plan;
  if (part === 'allow' && security) return { ...plan, security: { ...security, allow: security.allow.toSpliced(Number(name), 1) } };
  if (part !== 'routes') {
    const gone = KEYS[part] ?? part;
    return servicePlanSchema.parse(Object.fromEntries(Object.entries(plan).filter(([key]) => key !== gone)));
  }
  if (piece === 'match' || piece === 'order') return { ...plan, routes: plan.routes.filter((route) => route.name !== name) };
  return { ...plan, routes: plan.routes.map((route) => (route.name === name ? withoutPiece(route, piece) : route)) };
}

function withoutPiece({ timeoutMs, retries, mirror, fault, ...route }: PlannedRoute, piece: string): PlannedRoute {
  return {
    ...route,
    ...(timeoutMs === undefined || piece === 'timeout' ? {} : { timeoutMs }),
    ...(retries === undefined || piece === 'retries' ? {} : { retries }),
    ...(mirror === undefined || piece === 'mirror' ? {} : { mirror }),
    ...(fault === undefined || piece === 'fault' ? {} : { fault }),
  };
}

function noDifference(plan: ServicePlan, place: Place, same: Mesh['same']): string | undefined {
  const at = withoutIndexes(place);
  const route = place[0] === 'routes' && typeof place[1] === 'number' ? plan.routes[place[1]] : undefined;
  if (at.startsWith('security.allow') && plan.security?.stage === 'permissive') return '`allow` is not looked at';
  if (at.startsWith('routes.retries') && (route?.retries?.on.length === 0 || route?.retries?.attempts === 0)) return 'never';
  const rule = at.startsWith('security.allow') && typeof place[2] === 'number' ? plan.security?.allow[place[2]] : undefined;
  if (at.startsWith('security.allow.paths') && rule?.paths?.some((path) => 'prefix' in path && path.prefix === '/'))
    return 'beside every path no other counts';
  return same[at];
}

describe.each(Object.entries(meshes))('a plan on its way to %s', (_, { dataPlane, same, policies }) => {
  const renderer = rendererOf(dataPlane);
  // An account that OSM knows, and ejections that Linkerd can do: by chance both are too rare to be met in each run.
  const own = arbitraryPlan.map((plan) => ({
    ...plan,
    ...(plan.security && { security: { ...plan.security, serviceAccount: plan.service } }),
    ...(plan.outlierDetection && { outlierDetection: { ...plan.outlierDetection, maxEjectionPercent: 100 } }),
  }));

  it('loses no value without a word', () => {
    const met = new Set<string>();
    const example = own
      .map((plan) => sayable(plan, renderer))
      .chain((plan) => {
        const json = JSON.parse(JSON.stringify(plan));
        const places = leaves(json);
        // What has to have been tried is drawn as often as all the rest, so that no run goes by without it.
        const asked = places.filter((place) => policies.some((policy) => withoutIndexes(place).startsWith(policy)));
        const place = fc.oneof(fc.constantFrom(...places), fc.constantFrom(...(asked.length > 0 ? asked : places)));
        return fc.record({ plan: fc.constant(plan), json: fc.constant(json), place });
      });
    fc.assert(
      fc.property(example, ({ plan, json, place }) => {
        const parsed = servicePlanSchema.safeParse(changedAt(json, place));
        if (!parsed.success || judge(parsed.data, renderer.fidelity).some(isRefusal)) return;
        const other = parsed.data;
        met.add(withoutIndexes(place));
        if ((noDifference(plan, place, same) ?? noDifference(other, place, same)) !== undefined) return;
        expect(JSON.stringify(renderer.render(other)), place.join('.')).not.toBe(JSON.stringify(renderer.render(plan)));
      }),
      { numRuns: 3_000 },
    );
    for (const policy of policies)
      expect(
        [...met].some((place) => place.startsWith(policy)),
        policy,
      ).toBe(true);
  });

  it('gives the same objects whatever order its rules and methods are written in', () => {
    fc.assert(
      fc.property(
        own.map((plan) => sayable(plan, renderer)),
        (plan) => {
          const { security } = plan;
          const turned = security
            ? {
                ...plan,
                security: {
                  ...security,
                  allow: security.allow.toReversed().map((rule) => ({ ...rule, callers: rule.callers.toReversed() })),
                },
              }
            : plan;
          expect(renderer.render(turned)).toEqual(renderer.render(structuredClone(plan)));
        },
      ),
      { numRuns: 100 },
    );
  });
});
