/** What Consul says of a plan exactly, nearly, or not at all, through config entries that belong to the service itself. */
import { approximated, exact, type FidelityTable, inAllow, inRoutes, refused } from '../../plan/fidelity.ts';
import { endpointByHash } from '../made-of-envoy.ts';

/** `isValidHTTPMethod` of Consul. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE'];
const namesUnknown = (methods: readonly string[] = []): boolean => methods.some((method) => !METHODS.includes(method));

/** `stream_idle_timeout` of Envoy, which no config entry of a service changes at its own proxies. */
const SILENCE_MS = 5 * 60_000;

const unknownMethod = {
  code: 'UnknownMethod',
  sentence: `Consul takes the methods ${METHODS.slice(0, -1).join(', ')} and ${METHODS.at(-1)}; leave others out, or match by path alone.`,
};
const callersLimits = refused(
  'CallerHoldsLimits',
  'Consul keeps limits and passive health checks with each caller, not with the service that is called; leave them out, and write `UpstreamConfig` into the service-defaults of the callers, where it is left as it is.',
);
const forAllServices = refused(
  'SetForAllServices',
  'Consul logs and traces for all services or for none, by its proxy-defaults; leave it out, and set `AccessLogs` or the tracing of Envoy there.',
);
const noMirror = refused('NoMirror', 'Consul sends no copies of requests; leave `mirror` out.');
const noFault = refused('NoFault', 'Consul injects no faults; leave `fault` out, or let a version of the service fail by itself.');
const viaGateway = refused(
  'NeedsTerminatingGateway',
  'Consul reaches outside hosts through a terminating gateway that serves the whole mesh; leave `egress` out, and register the host and link it to the gateway.',
);

const noTokens = refused(
  'IssuerNotVerified',
  "Consul's proxies take an issuer's keys from any host with a trusted certificate, whatever the name in it, so that tokens could be forged by who redirects them; leave `tokens` out, and let the workload verify them.",
);

export const consulFidelity: FidelityTable = {
  'protocol.http': exact,
  'protocol.http2': exact,
  'protocol.grpc': exact,
  'route.split': exact,
  'route.path.exact': exact,
  'route.path.prefix': exact,
  'route.path.regex': exact,
  'route.methods': {
    ...exact,
    except: [{ ...unknownMethod, at: inRoutes('match.methods', ({ match }) => namesUnknown(match.methods)) }],
  },
  'route.headers.exact': exact,
  'route.headers.prefix': exact,
  'route.headers.regex': exact,
  'route.headers.present': exact,
  'route.headers.absent': exact,
  'route.headers.twice': exact,
  'route.order': exact,
  'route.timeout': {
    ...exact,
    except: [
      {
        code: 'SilenceEndsRequest',
        sentence:
          'The proxy of a called service ends a request on which nothing moves for five minutes, so that a longer time-out cannot be kept; give at most `5m`, or none.',
        at: inRoutes('timeout', ({ timeoutMs = 0 }) => timeoutMs > SILENCE_MS),
      },
    ],
  },
  'route.timeout.none': approximated(
    'The proxy of the called service ends a request on which nothing moves for five minutes, unless proxy-defaults have `local_idle_timeout_ms: 0`, and any after 30 days.',
  ),
  'route.retries.none': exact,
  'route.retries.attempts': approximated(
    'A caller has at most three retries to a version under way at a time, which is the default of Envoy and no field of Consul; what fails meanwhile is not tried again.',
  ),
  'route.retries.perTryTimeout': refused(
    'NoTimeoutPerTry',
    'Consul limits the whole request and no single try; leave `perTryTimeout` out, and choose `timeout` for all tries together.',
  ),
  'route.retries.on.5xx': exact,
  'route.retries.on.connect-failure': exact,
  'route.retries.on.gateway-error': exact,
  'route.retries.on.refused-stream': exact,
  'route.retries.on.reset': exact,
  'route.retries.on.retriable-4xx': exact,
  'route.mirror': noMirror,
  'route.mirror.percent': noMirror,
  'route.fault.delay': noFault,
  'route.fault.abort': noFault,
  connectTimeout: exact,
  retryBudget: refused('NoRetryBudget', 'Consul has no budget for retries; leave `retryBudget` out.'),
  'circuitBreaker.maxConnections': callersLimits,
  'circuitBreaker.maxPendingRequests': callersLimits,
  'circuitBreaker.maxRequests': callersLimits,
  'circuitBreaker.maxRequestsPerConnection': refused(
    'NoRequestsPerConnection',
    'Consul does not count the requests of a connection; leave `maxRequestsPerConnection` out.',
  ),
  'outlierDetection.consecutiveErrors': callersLimits,
  'outlierDetection.interval': callersLimits,
  'outlierDetection.ejection': callersLimits,
  'outlierDetection.maxEjectionPercent': callersLimits,
  'loadBalancing.least-request': exact,
  'loadBalancing.random': exact,
  'loadBalancing.round-robin': exact,
  'loadBalancing.hash': endpointByHash,
  failover: refused(
    'NoFailoverByRegion',
    'Consul fails over between datacenters, peers and services, of which a region says nothing; leave `failover` out.',
  ),
  'mtls.permissive': refused(
    'PermissiveNeedsTransparentProxy',
    'Consul takes plaintext only at proxies in transparent mode and only when its mesh entry allows it, of which a plan knows nothing; leave `mtls` out, or choose `strict`.',
  ),
  'mtls.shadow': refused('NoDryRun', 'Consul cannot try intentions without holding to them; go from no `mtls` to `strict`.'),
  'mtls.strict': exact,
  'allow.nobody': exact,
  'allow.callers': {
    ...exact,
    except: [
      {
        code: 'CallerIsNoService',
        sentence:
          'Consul knows callers by the name of their service and not by their service account; name services of this mesh, and add what calls from elsewhere to it.',
        at: inAllow('callers', ({ callers }) => callers.some(({ service }) => service === undefined)),
      },
    ],
  },
  'allow.methods': {
    ...exact,
    except: [{ ...unknownMethod, at: inAllow('methods', ({ methods }) => namesUnknown(methods)) }],
  },
  'allow.paths.exact': exact,
  'allow.paths.prefix': exact,
  'allow.paths.regex': exact,
  'allow.wildcards': exact,
  tokens: noTokens,
  'tokens.roles': noTokens,
  'egress.http': viaGateway,
  'egress.tls': viaGateway,
  ingress: refused(
    'GatewayPassesRouterBy',
    'An API gateway of Consul goes by the splitter of a service and not by its router, so that routes, time-outs and retries are lost; leave `ingress` out, and let a service of the mesh take calls from outside.',
  ),
  'telemetry.accessLog.all': forAllServices,
  'telemetry.accessLog.errors': forAllServices,
  'telemetry.tracing': forAllServices,
};
