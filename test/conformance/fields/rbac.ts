/** Whom an envoy.config.rbac.v3.RBAC lets in: its policies worked out for one call, as Envoy's RBAC filters do. */
import type { Json, JsonObject } from '../../../src/journal/documents.ts';
import { matchesHeader, matchesString, type Request } from './matching.ts';
import { at, isObject, messages, number, text } from './proto-json.ts';

/** A request over a connection whose peer has shown this identity, a URI; without one it has shown none. */
export interface Arrival extends Request {
  readonly port: number;
  readonly identity?: string;
  /** What the filters before have found out, as dynamic metadata of the filter for tokens; none where there is no token. */
  readonly ofToken?: JsonObject;
}

/** `rules` as they are in a filter; `undefined` are none, and let everybody in. */
export function admits(rules: Json | undefined, call: Arrival): boolean {
  if (!isObject(rules)) return true;
  const policies = isObject(rules.policies) ? Object.values(rules.policies) : [];
  const matched = policies.some(
    (policy) =>
      messages(policy, 'permissions').some((permission) => permits(permission, call)) &&
      messages(policy, 'principals').some((principal) => isPrincipal(principal, call)),
  );
  if (rules.action === 'LOG') return true;
  return rules.action === 'DENY' ? !matched : matched;
}

/** Of a oneof: the name and value of what is said. */
function said(message: JsonObject): readonly [string, Json | undefined] {
  const [first, more] = Object.entries(message);
  if (first === undefined || more !== undefined) throw new Error(`Not one condition: ${JSON.stringify(message)}`);
  return first;
}

function permits(permission: JsonObject, call: Arrival): boolean {
  const [kind, value] = said(permission);
  switch (kind) {
    case 'any':
      return true;
    case 'and_rules':
      return messages(value, 'rules').every((rule) => permits(rule, call));
    case 'or_rules':
      return messages(value, 'rules').some((rule) => permits(rule, call));
    case 'not_rule':
      return isObject(value) && !permits(value, call);
    case 'header':
      return isObject(value) && matchesHeader(value, call);
    case 'destination_port':
      return number(value) === call.port;
    case 'url_path': {
      const path = at(value, 'path');
      return isObject(path) && matchesString(path, call.path);
    }
    default:
      throw new Error(`A permission by ${kind}, which this test cannot read.`);
  }
}

function isPrincipal(principal: JsonObject, call: Arrival): boolean {
  const [kind, value] = said(principal);
  switch (kind) {
    case 'any':
      return true;
    case 'and_ids':
      return messages(value, 'ids').every((id) => isPrincipal(id, call));
    case 'or_ids':
      return messages(value, 'ids').some((id) => isPrincipal(id, call));
    case 'not_id':
      return isObject(value) && !isPrincipal(value, call);
    case 'header':
      return isObject(value) && matchesHeader(value, call);
    case 'authenticated': {
      if (call.identity === undefined) return false;
      const name = at(value, 'principal_name');
      return isObject(name) ? matchesString(name, call.identity) : true;
    }
    case 'metadata':
      return ofToken(value, call);
    case 'sourced_metadata':
      return ofToken(at(value, 'metadata_matcher'), call);
    default:
      throw new Error(`A principal by ${kind}, which this test cannot read.`);
  }
}

const TOKENS = 'envoy.filters.http.jwt_authn';

/** envoy.type.matcher.v3.MetadataMatcher, of what a token says. */
function ofToken(matcher: Json | undefined, call: Arrival): boolean {
  if (text(matcher, 'filter') !== TOKENS) throw new Error(`Metadata of ${text(matcher, 'filter')}, which this test cannot read.`);
  const path = messages(matcher, 'path').map(({ key }) => String(key));
  const pattern = at(matcher, 'value');
  return isObject(pattern) && matchesValue(pattern, at(call.ofToken, ...path));
}

/** envoy.type.matcher.v3.ValueMatcher */
function matchesValue(pattern: JsonObject, value: Json | undefined): boolean {
  const [kind, wanted] = said(pattern);
  switch (kind) {
    case 'or_match':
      return messages(wanted, 'value_matchers').some((each) => matchesValue(each, value));
    case 'list_match': {
      const one = at(wanted, 'one_of');
      return isObject(one) && Array.isArray(value) && value.some((each) => matchesValue(one, each));
    }
    case 'string_match':
      return isObject(wanted) && typeof value === 'string' && matchesString(wanted, value);
    default:
      throw new Error(`A value by ${kind}, which this test cannot read.`);
  }
}
