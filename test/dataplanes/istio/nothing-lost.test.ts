/**
 * Nothing of a plan is lost on the way to Istio: whatever single value of it is changed, the objects change, but for the values
 * listed here, of which the fidelity table or the plan itself says that they make no difference.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { istioFidelity } from '../../../src/dataplanes/istio/fidelity.ts';
import { renderIstio } from '../../../src/dataplanes/istio/render.ts';
import { isRefusal, judge } from '../../../src/plan/fidelity.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { servicePlanSchema } from '../../../src/plan/stored-plan.ts';
import { changedAt, leaves, type Place, withoutIndexes } from '../one-value-changed.ts';
import { renderable } from './objects.ts';

/** Why a value makes no difference; `undefined` = it has to. */
function noDifference(plan: ServicePlan, place: Place): string | undefined {
  const at = withoutIndexes(place);
  const route = place[0] === 'routes' && typeof place[1] === 'number' ? plan.routes[place[1]] : undefined;
  if (at === 'dataPlanes') return 'where it is applied is not for the renderer to say';
  if (at === 'port' && !plan.ingress) return 'inside the mesh routes hold for the ports of the Kubernetes Service';
  if (at === 'selector.app' && !plan.security && !plan.tokens && !plan.telemetry?.accessLog && !plan.telemetry?.tracing)
    return 'nothing is selected';
  if (at === 'security.serviceAccount') return 'the workload has its identity from Kubernetes';
  if (at.startsWith('security.allow') && plan.security?.stage === 'permissive') return '`allow` is not looked at';
  if (at === 'security.trustDomain' && (plan.security?.stage === 'permissive' || plan.security?.allow.length === 0))
    return 'no caller is named';
  if (at === 'failover' && place[1] !== 0) return 'approximated: of the regions the first one counts';
  if (at.startsWith('routes.retries') && route?.retries?.on.length === 0) return 'on nothing is never';
  if (at.startsWith('routes.retries') && at !== 'routes.retries.attempts' && route?.retries?.attempts === 0) return 'never';
  return undefined;
}

describe('a plan on its way to Istio', () => {
  it('loses no value without a word', () => {
    const met = new Set<string>();
    const example = renderable.chain((plan) => {
      const json = JSON.parse(JSON.stringify(plan));
      return fc.record({ plan: fc.constant(plan), json: fc.constant(json), place: fc.constantFrom(...leaves(json)) });
    });
    fc.assert(
      fc.property(example, ({ plan, json, place }) => {
        const parsed = servicePlanSchema.safeParse(changedAt(json, place));
        fc.pre(parsed.success && !judge(parsed.data, istioFidelity).some(isRefusal));
        if (!parsed.success) return;
        const other = parsed.data;
        const why = noDifference(plan, place) ?? noDifference(other, place);
        met.add(withoutIndexes(place));
        const same = JSON.stringify(renderIstio(other)) === JSON.stringify(renderIstio(plan));
        if (why === undefined) expect(same, place.join('.')).toBe(false);
      }),
      { numRuns: 3_000 },
    );
    // What was tried is what a plan can hold: a policy that never came up would prove nothing.
    for (const at of POLICIES)
      expect(
        [...met].some((place) => place.startsWith(at)),
        at,
      ).toBe(true);
  });
});

const POLICIES = [
  'connectTimeoutMs',
  'retryBudget.percent',
  'retryBudget.minConcurrent',
  'circuitBreaker.maxConnections',
  'circuitBreaker.maxPendingRequests',
  'circuitBreaker.maxRequests',
  'circuitBreaker.maxRequestsPerConnection',
  'outlierDetection.consecutiveErrors',
  'outlierDetection.intervalMs',
  'outlierDetection.ejectionMs',
  'outlierDetection.maxEjectionPercent',
  'loadBalancing.policy',
  'loadBalancing.header',
  'failover',
  'security.stage',
  'security.trustDomain',
  'security.allow.callers',
  'security.allow.methods',
  'security.allow.paths',
  'tokens.issuer',
  'tokens.audience',
  'tokens.jwks',
  'tokens.roles',
  'egress.host',
  'egress.port',
  'egress.protocol',
  'ingress.host',
  'ingress.gateway.name',
  'ingress.gateway.namespace',
  'telemetry.accessLog',
  'telemetry.tracing.percent',
  'routes.mirror.percent',
  'routes.fault.delay.ms',
  'routes.fault.abort.status',
];
