/**
 * What an inbound Envoy writes to its standard output, a JSON object a line: the requests that a plan asks to be logged, and in
 * `shadow` the callers whom `allow` would refuse. Formats: envoy.config.accesslog.v3.AccessLog,
 * envoy.extensions.access_loggers.stream.v3.StdoutAccessLog.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import { RBAC_FILTER } from './authorization.ts';
import { qualifiedName } from './naming.ts';

/** What a line is about: its member `log`. */
type Subject = 'request' | 'would-be-refused';

export function accessLogs(plan: ServicePlan): readonly JsonObject[] {
  const asked = plan.telemetry?.accessLog;
  return [
    ...(asked === undefined ? [] : [accessLog(plan, 'request', asked === 'errors' ? { filter: failed } : {})]),
    ...(plan.security?.stage === 'shadow' ? [accessLog(plan, 'would-be-refused', { filter: wouldBeRefused })] : []),
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

function accessLog(plan: ServicePlan, log: Subject, filter: JsonObject): JsonObject {
  return {
    name: 'envoy.access_loggers.stdout',
    ...filter,
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
      log_format: {
        json_format: {
          log,
          time: '%START_TIME%',
          service: qualifiedName(plan),
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
