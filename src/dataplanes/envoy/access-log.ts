/**
 * What an inbound Envoy tells of its requests: those that a plan asks to be logged, a JSON object a line on its standard output;
 * in `shadow` those that `allow` would refuse, to the xds server. Formats: envoy.config.accesslog.v3.AccessLog,
 * envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import { RBAC_FILTER } from './authorization.ts';
import { qualifiedName, XDS_CLUSTER } from './naming.ts';

/** What the access log service is told that its entries are. */
export const WOULD_BE_REFUSED = 'would-be-refused';

/** `refusalsToken` is sent as `authorization: Bearer <token>` with what would be refused. */
export function accessLogs({ telemetry, security, ...plan }: ServicePlan, refusalsToken?: string): readonly JsonObject[] {
  const asked = telemetry?.accessLog;
  return [
    ...(asked === undefined ? [] : [requestLog(qualifiedName(plan), asked === 'errors' ? { filter: failed } : {})]),
    ...(security?.stage === 'shadow' ? [refusalLog(refusalsToken)] : []),
  ];
}

/** A request that got no answer has the status 0. */
const failed: JsonObject = { or_filter: { filters: [status('GE', 500), status('EQ', 0)] } };

/** `runtime_key` may not be empty; nothing is set under it. */
function status(op: string, code: number): JsonObject {
  return { status_code_filter: { comparison: { op, value: { default_value: code, runtime_key: 'meshwright.access_log' } } } };
}

const wouldBeRefused: JsonObject = {
  metadata_filter: {
    matcher: { filter: RBAC_FILTER, path: [{ key: 'shadow_engine_result' }], value: { string_match: { exact: 'denied' } } },
    match_if_key_not_found: false,
  },
};

/** Envoy holds entries back for a second, and drops what it cannot send: no request waits for that. */
function refusalLog(token: string | undefined): JsonObject {
  return {
    name: 'envoy.access_loggers.http_grpc',
    filter: wouldBeRefused,
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig',
      common_config: {
        log_name: WOULD_BE_REFUSED,
        transport_api_version: 'V3',
        grpc_service: {
          envoy_grpc: { cluster_name: XDS_CLUSTER },
          ...(token === undefined ? {} : { initial_metadata: [{ key: 'authorization', value: `Bearer ${token}` }] }),
        },
      },
    },
  };
}

function requestLog(service: string, filter: JsonObject): JsonObject {
  return {
    name: 'envoy.access_loggers.stdout',
    ...filter,
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
      log_format: {
        json_format: {
          log: 'request',
          time: '%START_TIME%',
          service,
          caller: '%DOWNSTREAM_PEER_URI_SAN%',
          from: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
          method: '%REQ(:METHOD)%',
          // A query may hold what no log should.
          path: '%REQ_WITHOUT_QUERY(:PATH)%',
          status: '%RESPONSE_CODE%',
          flags: '%RESPONSE_FLAGS%',
          duration_ms: '%DURATION%',
        },
        formatters: [
          {
            name: 'envoy.formatter.req_without_query',
            typed_config: { '@type': 'type.googleapis.com/envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery' },
          },
        ],
      },
    },
  };
}
