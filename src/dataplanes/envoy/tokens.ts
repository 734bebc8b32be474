/**
 * A token that every call needs: the filters that verify it, and the cluster by which the issuer's keys come. Each Envoy fetches them
 * by itself, so that a key the issuer rolls over to is believed without a word of ours. Formats: envoy.extensions.filters.http.jwt_authn.v3
 * .JwtAuthentication, envoy.extensions.filters.http.rbac.v3.RBAC, envoy.type.matcher.v3.MetadataMatcher.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { Tokens } from '../../plan/plan.ts';
import { RBAC_FILTER } from './authorization.ts';
import { outsideCluster } from './clusters.ts';
import type { EnvoyResource } from './resources.ts';
import { tlsOfTheWeb } from './tls.ts';

const JWT_FILTER = 'envoy.filters.http.jwt_authn';
const PROVIDER = 'issuer';
/** What a verified token says, for the filter after. */
const CLAIMS = 'token';
/** Debian, Ubuntu, Alpine, and so Envoy's own images. */
const AUTHORITIES_OF_THE_WEB = '/etc/ssl/certs/ca-certificates.crt';

/** Without a good token a call is answered 401; with one that is for others or lacks a role, 403. None where no token is asked for. */
export function tokenFilters(tokens: Tokens | undefined): readonly JsonObject[] {
  return tokens === undefined ? [] : [verification(tokens), claims(tokens)];
}

function verification({ issuer, jwks }: Tokens): JsonObject {
  const provider = {
    issuer,
    // Left out, one in the query of a path would count too, where access logs have it.
    from_headers: [{ name: 'Authorization', value_prefix: 'Bearer ' }],
    // To the workload, which may want to know more of its caller.
    forward: true,
    payload_in_metadata: CLAIMS,
    remote_jwks: {
      http_uri: { uri: jwks, cluster: clusterNameOf(jwks), timeout: '5s' },
      // A token of a key that is not among those at hand is refused, and nothing is fetched for it: new keys are looked for this often.
      cache_duration: '300s',
      // Ahead of time, and before the listener opens; keys at hand count on while the issuer is not to be reached.
      async_fetch: {},
    },
  };
  return {
    name: JWT_FILTER,
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication',
      providers: { [PROVIDER]: provider },
      rules: [{ match: { prefix: '/' }, requires: { provider_name: PROVIDER } }],
    },
  };
}

/** Whom it is for is not left to the filter before, which would take `https://a/` for `a`. */
function claims({ audience, roles }: Tokens): JsonObject {
  const needed = [claim('aud', [audience]), ...(roles === undefined ? [] : [claim('roles', roles)])];
  return {
    name: `${RBAC_FILTER}.tokens`,
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC',
      rules: { action: 'ALLOW', policies: { token: { permissions: [{ any: true }], principals: [{ and_ids: { ids: needed } }] } } },
    },
  };
}

/** The claim is one of the values, or a list that holds one. */
function claim(name: string, values: readonly string[]): JsonObject {
  const anyOf = values.map((exact) => ({ string_match: { exact } }));
  const value = { or_match: { value_matchers: [...anyOf, ...anyOf.map((one) => ({ list_match: { one_of: one } }))] } };
  const matcher = { filter: JWT_FILTER, path: [{ key: CLAIMS }, { key: name }], value };
  return { sourced_metadata: { metadata_matcher: matcher, metadata_source: 'DYNAMIC' } };
}

const clusterNameOf = (jwks: string): string => `keys|${hostOf(jwks).host}:${hostOf(jwks).port}`;

function hostOf(address: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(address);
  return { host: hostname, port: port === '' ? 443 : Number(port) };
}

/** Where the keys are. `authorities`: a file of the Envoy's machine that holds whom it believes of hosts outside; left out: where most have it. */
export function issuerCluster({ jwks }: Tokens, authorities = AUTHORITIES_OF_THE_WEB): EnvoyResource {
  const { host, port } = hostOf(jwks);
  const name = clusterNameOf(jwks);
  return { type: 'cluster', name, json: { ...outsideCluster(name, host, port), transport_socket: tlsOfTheWeb(host, authorities) } };
}
