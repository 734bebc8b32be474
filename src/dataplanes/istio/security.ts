/**
 * Who may call a service, and whether plaintext is taken: PeerAuthentication and AuthorizationPolicy (security.istio.io/v1).
 * Only ever ALLOW: a DENY that names methods or paths denies everything on a TCP port, an ALLOW allows nothing there. Callers
 * need nothing written, since Istio's auto mTLS has them use mTLS wherever there is a sidecar to take it.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { AllowRule, PathMatch, PlannedSecurity, ServicePlan } from '../../plan/plan.ts';
import { metadata } from '../kubernetes/objects.ts';
import { normalized } from '../normal-path.ts';

const API_VERSION = 'security.istio.io/v1';

export function security(plan: ServicePlan): JsonObject[] {
  if (!plan.security) return [];
  const authentication = peerAuthentication(plan, plan.security);
  return plan.security.stage === 'permissive' ? [authentication] : [authentication, authorizationPolicy(plan, plan.security)];
}

function peerAuthentication(plan: ServicePlan, { stage }: PlannedSecurity): JsonObject {
  return {
    apiVersion: API_VERSION,
    kind: 'PeerAuthentication',
    metadata: metadata(plan),
    spec: { selector: { matchLabels: { ...plan.selector } }, mtls: { mode: stage === 'strict' ? 'STRICT' : 'PERMISSIVE' } },
  };
}

function authorizationPolicy(plan: ServicePlan, { stage, trustDomain, allow }: PlannedSecurity): JsonObject {
  return {
    apiVersion: API_VERSION,
    kind: 'AuthorizationPolicy',
    // Said either way, as are rules that are none: left out, what somebody else has said would hold.
    metadata: { ...metadata(plan), annotations: { 'istio.io/dry-run': stage === 'shadow' ? 'true' : 'false' } },
    spec: {
      selector: { matchLabels: { ...plan.selector } },
      action: 'ALLOW',
      // No rules at all allow nobody; one that is empty would allow everybody.
      rules: allow.map((rule) => ruleOf(rule, trustDomain)),
    },
  };
}

function ruleOf({ callers, methods, paths }: AllowRule, trustDomain: string): JsonObject {
  const principals = callers.map(({ namespace, serviceAccount }) => `${trustDomain}/ns/${namespace}/sa/${serviceAccount}`);
  const operation = { ...(methods ? { methods: [...methods] } : {}), ...(paths ? { paths: paths.map(pathPattern) } : {}) };
  return { from: [{ source: { principals } }], ...(methods || paths ? { to: [{ operation }] } : {}) };
}

/** Throws RangeError for an expression, which is refused (`fidelity.ts`): none of Istio's patterns would mean it. */
function pathPattern(path: PathMatch): string {
  if ('regex' in path) throw new RangeError(`Istio cannot allow paths by an expression: ${path.regex}`);
  return 'prefix' in path ? `${normalized(path.prefix)}*` : normalized(path.exact);
}
