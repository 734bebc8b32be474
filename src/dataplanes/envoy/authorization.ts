/**
 * Who may call: the HTTP RBAC filter of an inbound listener. In `strict` its rules decide, and nobody is allowed whom none
 * names; in `shadow` the same rules are only counted and noted, for the access log to say whom they would refuse. Formats:
 * envoy.extensions.filters.http.rbac.v3.RBAC, envoy.config.rbac.v3.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { AllowRule, PathMatch, PlannedSecurity } from '../../plan/plan.ts';
import { normalized } from '../normal-path.ts';
import { spiffeId } from './tls.ts';

export const RBAC_FILTER = 'envoy.filters.http.rbac';

/** None where nobody is refused and nobody watched. */
export function authorizationFilters(security: PlannedSecurity | undefined): readonly JsonObject[] {
  if (security === undefined || security.stage === 'permissive') return [];
  const policies = security.allow.map((rule, index) => [`allow-${index}`, policy(rule, security.trustDomain)] as const);
  const rules = { action: 'ALLOW', policies: Object.fromEntries(policies) };
  return [
    {
      name: RBAC_FILTER,
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC',
        ...(security.stage === 'strict' ? { rules } : { shadow_rules: rules }),
      },
    },
  ];
}

function policy({ callers, methods, paths }: AllowRule, trustDomain: string): JsonObject {
  const conditions = [
    ...(methods === undefined ? [] : [anyOf(methods.map((method) => ({ header: { name: ':method', string_match: { exact: method } } })))]),
    ...(paths === undefined ? [] : [anyOf(paths.map(pathPermission))]),
  ];
  const [first] = conditions;
  return {
    permissions: [conditions.length > 1 ? { and_rules: { rules: conditions } } : (first ?? { any: true })],
    principals: callers.map((caller) => ({ authenticated: { principal_name: { exact: spiffeId(trustDomain, caller) } } })),
  };
}

function anyOf(permissions: readonly JsonObject[]): JsonObject {
  const [only] = permissions;
  return permissions.length === 1 && only !== undefined ? only : { or_rules: { rules: permissions } };
}

/**
 * A `..` that the normalization of paths has left stands beside an escaped slash or a `;`: a server that reads these
 * otherwise than Envoy would leave the place at which the path seems to be.
 */
const LEADS_ELSEWHERE = String.raw`(?i).*(/|%2f|%5c)(\.|%2e){2}((/|;|%2f|%5c).*)?`;

function pathPermission(path: PathMatch): JsonObject {
  if ('exact' in path) return urlPath({ exact: normalized(path.exact) });
  const match = 'prefix' in path ? { prefix: normalized(path.prefix) } : { safe_regex: { regex: path.regex } };
  return { and_rules: { rules: [urlPath(match), { not_rule: urlPath({ safe_regex: { regex: LEADS_ELSEWHERE } }) }] } };
}

/** The path without its query. */
function urlPath(match: JsonObject): JsonObject {
  return { url_path: { path: match } };
}
