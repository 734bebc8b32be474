/**
 * What Open Service Mesh 1.2 (the last there is) says of a plan exactly, nearly, or not at all, by what osm-controller makes of SMI
 * and of its own policies.
 */
import { approximated, exact, type FidelityTable, inAllow, type Judgement, refused } from '../../plan/fidelity.ts';
import { namesUnknownMethod, unknownMethod } from '../gateway-api/http-route.ts';
import { unresolvedPath } from '../kubernetes/permissions.ts';
import { connectionsAtATime } from '../made-of-envoy.ts';
import { overlappingRules } from './permission-matches.ts';

const oneRoute = refused(
  'OneRouteOnly',
  'OSM sends all requests of a service the same way, whatever their path, method or headers; make a service of its own of what has to go elsewhere.',
);
const notInOsm = (what: string): Judgement =>
  refused('NotInOsm', `OSM has no ${what}; leave it out, or move the service to a mesh that has.`);
const retries = refused(
  'RetriesAreTheCallers',
  "OSM's Retry speaks for one calling service account, behind a feature flag of the whole mesh; write it beside this, and leave `retries` out.",
);
const asCalled = approximated('OSM passes calls on in the version of HTTP that the caller speaks.');
const mesh = refused(
  'AlwaysMutualTls',
  "OSM's proxies take mTLS only, and whether everybody may call is one switch for the whole mesh (`enablePermissiveTrafficPolicyMode`); say `strict`, or leave `mtls` out.",
);

const routing = {
  'protocol.http': asCalled,
  'protocol.http2': asCalled,
  'protocol.grpc': asCalled,
  'route.split': approximated(
    'A version without endpoints is left out, and the others share its weight; elsewhere its share of the requests fails.',
  ),
  'route.path.exact': oneRoute,
  'route.path.prefix': oneRoute,
  'route.path.regex': oneRoute,
  'route.methods': oneRoute,
  'route.headers.exact': oneRoute,
  'route.headers.prefix': oneRoute,
  'route.headers.regex': oneRoute,
  'route.headers.present': oneRoute,
  'route.headers.absent': oneRoute,
  'route.headers.twice': oneRoute,
  'route.order': oneRoute,
  'route.timeout': notInOsm('time-out for requests'),
  'route.timeout.none': approximated("OSM's proxies end a request on which nothing moves for five minutes."),
  'route.retries.none': exact,
  'route.retries.attempts': retries,
  'route.retries.perTryTimeout': retries,
  'route.retries.on.5xx': retries,
  'route.retries.on.connect-failure': retries,
  'route.retries.on.gateway-error': retries,
  'route.retries.on.refused-stream': retries,
  'route.retries.on.reset': retries,
  'route.retries.on.retriable-4xx': retries,
  'route.mirror': notInOsm('mirroring'),
  'route.mirror.percent': notInOsm('mirroring'),
  'route.fault.delay': notInOsm('fault injection'),
  'route.fault.abort': notInOsm('fault injection'),
} satisfies Partial<FidelityTable>;

const outliers = notInOsm('outlier detection');
const balancing = refused('AlwaysRoundRobin', 'OSM always takes one endpoint after the other; leave `loadBalancing` out.');
const resilience = {
  connectTimeout: exact,
  retryBudget: notInOsm('retry budget'),
  'circuitBreaker.maxConnections': connectionsAtATime,
  'circuitBreaker.maxPendingRequests': exact,
  'circuitBreaker.maxRequests': exact,
  'circuitBreaker.maxRequestsPerConnection': exact,
  'outlierDetection.consecutiveErrors': outliers,
  'outlierDetection.interval': outliers,
  'outlierDetection.ejection': outliers,
  'outlierDetection.maxEjectionPercent': outliers,
  'loadBalancing.least-request': balancing,
  'loadBalancing.random': balancing,
  'loadBalancing.round-robin': balancing,
  'loadBalancing.hash': balancing,
  failover: notInOsm('failover between regions'),
} satisfies Partial<FidelityTable>;

// An expression that sees to it has more instructions than Envoy takes of one (100).
const asTheyCome = refused(
  'PathNotResolved',
  "OSM's proxies compare paths as they come, and what matches `/public/../admin` too would allow that; allow exact paths, or leave `paths` out.",
);
const security = {
  'mtls.permissive': mesh,
  'mtls.shadow': mesh,
  'mtls.strict': {
    ...exact,
    except: [
      {
        code: 'SharedServiceAccount',
        sentence:
          'OSM allows calls to a service account, and so to every service that runs under it; give the service an account of its own, with the name of the service.',
        at: ({ service, security: planned }) => (planned && planned.serviceAccount !== service ? ['mtls'] : []),
      },
    ],
  },
  'allow.nobody': exact,
  'allow.callers': { ...exact, except: [overlappingRules] },
  'allow.methods': {
    ...exact,
    except: [
      {
        code: unknownMethod.code,
        sentence: 'An HTTPRouteGroup knows the methods of RFC 9110 and PATCH only; allow such requests by their paths.',
        at: inAllow('methods', namesUnknownMethod),
      },
    ],
  },
  'allow.paths.exact': { ...exact, except: [unresolvedPath] },
  'allow.paths.prefix': asTheyCome,
  'allow.paths.regex': asTheyCome,
  'allow.wildcards': exact,
} satisfies Partial<FidelityTable>;

const egress = (protocol: string) =>
  ({
    ...exact,
    except: [
      {
        code: 'EgressNeedsAccount',
        sentence: 'OSM allows egress to a service account; say `mtls` in the mesh, so that the service has one.',
        at: ({ security: planned, egress: hosts = [] }) =>
          planned ? [] : hosts.filter((each) => each.protocol === protocol).map(({ host }) => `egress.${host}`),
      },
    ],
  }) satisfies FidelityTable['egress.http'];

const noTokens = refused(
  'NoTokenValidation',
  'OSM knows callers by mTLS and looks into no tokens; leave `tokens` out, and let the workload verify them.',
);

export const osmFidelity: FidelityTable = {
  ...routing,
  ...resilience,
  ...security,
  tokens: noTokens,
  'tokens.roles': noTokens,
  'egress.http': egress('http'),
  'egress.tls': egress('tls'),
  ingress: refused(
    'IngressPassesTheSplit',
    'What comes through an ingress of OSM does not go by its TrafficSplits; leave `ingress` out, and write an IngressBackend beside this.',
  ),
  'telemetry.accessLog.all': notInOsm('access log for one service'),
  'telemetry.accessLog.errors': notInOsm('access log for one service'),
  'telemetry.tracing': notInOsm('tracing for one service'),
};
