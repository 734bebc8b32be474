/**
 * A token that every call needs: RequestAuthentication verifies those that are there, and an AuthorizationPolicy refuses calls without
 * one (security.istio.io/v1). It is a DENY, so that no ALLOW of others lets calls in without a token; one that holds for `allow` alone would
 * not be enforced in `shadow`. On a TCP port of the same workloads, where there are no tokens, it denies everything, as it should.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import { metadata } from '../kubernetes/objects.ts';

const API_VERSION = 'security.istio.io/v1';

/** In the order in which they are applied: tokens are read before calls without one are refused. */
export function tokens(plan: ServicePlan): JsonObject[] {
  if (!plan.tokens) return [];
  const { issuer, audience, jwks, roles } = plan.tokens;
  const selector = { matchLabels: { ...plan.selector } };
  const rule = {
    issuer,
    audiences: [audience],
    jwksUri: jwks,
    // Left out, one in the query of a path would count too, where access logs have it.
    fromHeaders: [{ name: 'Authorization', prefix: 'Bearer ' }],
    forwardOriginalToken: true,
  };
  /** Each by itself: whatever else verifies tokens here, and for whom, one that lacks any of this is refused. */
  const lacks = (key: string, values: readonly string[]): JsonObject => ({ when: [{ key, notValues: [...values] }] });
  return [
    { apiVersion: API_VERSION, kind: 'RequestAuthentication', metadata: metadata(plan), spec: { selector, jwtRules: [rule] } },
    {
      apiVersion: API_VERSION,
      kind: 'AuthorizationPolicy',
      // A service's name holds no dots, and that of `allow` is its name.
      metadata: { ...metadata(plan, `${plan.service}.tokens`), annotations: { 'istio.io/dry-run': 'false' } },
      spec: {
        selector,
        action: 'DENY',
        rules: [
          lacks('request.auth.claims[iss]', [issuer]),
          lacks('request.auth.audiences', [audience]),
          ...(roles ? [lacks('request.auth.claims[roles]', roles)] : []),
        ],
      },
    },
  ];
}
