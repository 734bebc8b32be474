/**
 * What the Envoy in front of a workload does with a call that comes to it: which filter chain takes the connection, whether that
 * one speaks TLS and wants a certificate, and what filters of tokens, and of RBAC, of connections and of requests, make of who calls what.
 */
import type { Json, JsonObject } from '../../../src/journal/documents.ts';
import type { Held } from './held.ts';
import { matchesRoute } from './matching.ts';
import { at, isObject, messages, number, text, texts } from './proto-json.ts';
import { type Arrival, admits } from './rbac.ts';
import { type Token, verified } from './tokens.ts';

export interface InboundCall extends Arrival {
  /** What the client says in its TLS greeting; absent: it speaks plaintext. */
  readonly tls?: { readonly alpn: readonly string[]; readonly serverName?: string };
  readonly token?: Token;
}

export interface Reception {
  /** `no connection`: it is refused before there is any request, whoever calls. */
  readonly answer: 'let in' | 'refused' | 'no connection';
  /** What shadow rules would have said; absent where there are none. */
  readonly wouldBe?: 'let in' | 'refused';
  /** What may be logged of it, from the connection manager. */
  readonly accessLog: readonly JsonObject[];
  readonly tracing?: Json;
}

const NO_CONNECTION: Reception = { answer: 'no connection', accessLog: [] };

/** `listener`: the one that the workload's port is reached through. */
export function received(held: Held, listener: JsonObject, call: InboundCall): Reception {
  const chain = chainFor(listener, call);
  if (chain === undefined || !handshakes(chain, call)) return NO_CONNECTION;
  const filters = messages(chain, 'filters');
  const manager = at(filters.find(isConnectionManager), 'typed_config');
  const known = call.tls === undefined ? withoutIdentity(call) : call;
  const ofToken = readToken(manager, call.token);
  const shown = ofToken === undefined ? known : { ...known, ofToken };
  const rules = [...filters.flatMap(connectionRules), ...requestRules(held, manager, shown)];
  const shadows = rules.flatMap(({ shadow }) => (shadow === undefined ? [] : [admits(shadow, shown)]));
  return {
    answer: ofToken !== undefined && rules.every(({ enforced }) => admits(enforced, shown)) ? 'let in' : 'refused',
    ...(shadows.length === 0 ? {} : { wouldBe: shadows.every(Boolean) ? 'let in' : 'refused' }),
    accessLog: messages(manager, 'access_log'),
    ...(at(manager, 'tracing') === undefined ? {} : { tracing: at(manager, 'tracing') ?? null }),
  };
}

const withoutIdentity = ({ identity: _, ...rest }: InboundCall): InboundCall => rest;

/** The most particular of those that match, in Envoy's order: port, server name, transport, application protocol. */
function chainFor(listener: JsonObject, call: InboundCall): JsonObject | undefined {
  const matching = messages(listener, 'filter_chains')
    .map((chain) => ({ chain, match: at(chain, 'filter_chain_match') }))
    .filter(({ match }) => matchesConnection(match, call));
  const rank = (match: Json | undefined): string =>
    ['destination_port', 'prefix_ranges', 'server_names', 'transport_protocol', 'application_protocols']
      .map((criterion) => (at(match, criterion) === undefined ? '0' : '1'))
      .join('');
  const [first] = matching.sort((a, b) => (rank(a.match) < rank(b.match) ? 1 : -1));
  if (first) return first.chain;
  return isObject(listener.default_filter_chain) ? listener.default_filter_chain : undefined;
}

function matchesConnection(match: Json | undefined, { port, tls }: InboundCall): boolean {
  const wantedPort = number(match, 'destination_port');
  const transport = text(match, 'transport_protocol');
  const names = texts(match, 'server_names');
  const alpn = texts(match, 'application_protocols');
  return (
    (wantedPort === undefined || wantedPort === port) &&
    (transport === undefined || transport === (tls ? 'tls' : 'raw_buffer')) &&
    (names.length === 0 || (tls?.serverName !== undefined && names.includes(tls.serverName))) &&
    (alpn.length === 0 || (tls?.alpn ?? []).some((each) => alpn.includes(each)))
  );
}

function handshakes(chain: JsonObject, { tls, identity }: InboundCall): boolean {
  const socket = at(chain, 'transport_socket', 'typed_config');
  const isTls = (text(socket, '@type') ?? '').endsWith('DownstreamTlsContext');
  if (isTls !== (tls !== undefined)) return false;
  return !isTls || identity !== undefined || at(socket, 'require_client_certificate') !== true;
}

const isConnectionManager = (filter: JsonObject): boolean => typeOf(filter).endsWith('HttpConnectionManager');
const typeOf = (filter: JsonObject): string => text(filter, 'typed_config', '@type') ?? '';

/** Filters that look at tokens stand before those that go by what these say. */
function readToken(manager: Json | undefined, token: Token | undefined): JsonObject | undefined {
  const filter = messages(manager, 'http_filters').find((each) => typeOf(each).endsWith('JwtAuthentication'));
  return filter ? verified(filter.typed_config, token) : {};
}

interface Rules {
  readonly enforced: Json | undefined;
  readonly shadow: Json | undefined;
}

const rulesIn = (configuration: Json | undefined): Rules => ({
  enforced: at(configuration, 'rules'),
  shadow: at(configuration, 'shadow_rules'),
});

function connectionRules(filter: JsonObject): Rules[] {
  return typeOf(filter).endsWith('filters.network.rbac.v3.RBAC') ? [rulesIn(filter.typed_config)] : [];
}

/** Of the filter, unless the route that takes the request has its own; a request that no route takes is not let in. */
function requestRules(held: Held, manager: Json | undefined, call: InboundCall): Rules[] {
  if (manager === undefined) return [];
  const filters = messages(manager, 'http_filters').filter((filter) => typeOf(filter).endsWith('filters.http.rbac.v3.RBAC'));
  const configuration = at(manager, 'route_config') ?? held.routes.get(text(manager, 'rds', 'route_config_name') ?? '');
  const route = messages(configuration, 'virtual_hosts')
    .flatMap((host) => messages(host, 'routes'))
    .find(({ match }) => isObject(match) && matchesRoute(match, call));
  if (route === undefined) return [{ enforced: {}, shadow: undefined }];
  return filters.map((filter) => {
    const own = at(route, 'typed_per_filter_config', text(filter, 'name') ?? '', 'rbac');
    return rulesIn(own ?? filter.typed_config);
  });
}
