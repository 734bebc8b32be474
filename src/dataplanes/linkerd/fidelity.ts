/**
 * What Linkerd says of a plan exactly, nearly, or not at all (2.18 and newer), by what its policy controller and its proxy do with
 * the resources; what they would drop without a word is refused here.
 */
import { approximated, exact, type FidelityTable, type FieldJudgement, inAllow, type Judgement, refused } from '../../plan/fidelity.ts';
import { namesUnknownMethod, tooManyHeaders, tooManyRoutes, tooManyVersions, unknownMethod } from '../gateway-api/http-route.ts';
import { overtaken } from '../gateway-api/precedence.ts';
import { unresolvedPath } from '../kubernetes/permissions.ts';
import { longAllowedPath, longPath } from './path-match.ts';
import { overlappingPaths, rootPath, tooManyPermissions } from './permission-grid.ts';
import { overtakes } from './precedence.ts';
import { areTogether } from './render.ts';

const dialect = approximated(
  "Linkerd reads expressions by Rust's regex, in which `\\d`, `\\s` and `\\w` mean digits, spaces and letters of every script.",
);
const noFault = refused('NoFaults', 'Linkerd has no fault injection; split to a version that fails or waits.');
const noMirror = refused('NoMirroring', 'Linkerd drops a route with a mirror, and what was there before stays; leave it out.');
const balancing = refused(
  'BalancesByLatency',
  'Linkerd always prefers the endpoints that answer faster (EWMA); leave `loadBalancing` out.',
);
const noLimits = refused(
  'NoConnectionLimits',
  'Linkerd has no limits on connections or requests; use `outlierDetection`, or limit requests in the service.',
);
const egress = refused(
  'EgressIsPerNamespace',
  "Linkerd's EgressNetwork speaks for a whole namespace and not for one service; write it beside this, and leave `egress` out.",
);
const injected = (what: string): Judgement =>
  refused('SetAtInjection', `Linkerd sets ${what} when a workload is injected; annotate the workloads, and leave it out here.`);

const inOrder: FieldJudgement = {
  ...exact,
  except: [
    {
      code: 'RouteOvertaken',
      sentence:
        'Linkerd tries routes by how much of the path they match, then by a method, then by more headers, and a later route would be tried before this one, or, with another time-out or other retries, at random; put it behind that one, or give it the closer match.',
      at: (plan) => overtaken(plan, (later, earlier) => overtakes(later, earlier, areTogether)),
    },
    tooManyRoutes,
    tooManyHeaders,
  ],
};

const routing = {
  'protocol.http': exact,
  'protocol.http2': exact,
  'protocol.grpc': exact,
  'route.split': { ...exact, except: [tooManyVersions] },
  'route.path.exact': { ...exact, except: [longPath] },
  'route.path.prefix': { ...exact, except: [longPath] },
  'route.path.regex': { ...dialect, except: [longPath] },
  'route.methods': { ...exact, except: [unknownMethod] },
  'route.headers.exact': exact,
  'route.headers.prefix': exact,
  'route.headers.regex': dialect,
  'route.headers.present': exact,
  'route.headers.absent': refused(
    'HeaderAbsence',
    'Linkerd has no match for a header that is not there; give the requests that do have it a route of their own, before this one.',
  ),
  'route.headers.twice': refused('HeaderMatchedTwice', 'An HTTPRoute takes one condition on a header; join them in one `regex`.'),
  'route.order': inOrder,
  'route.timeout': exact,
  'route.timeout.none': exact,
  'route.mirror': noMirror,
  'route.mirror.percent': noMirror,
  'route.fault.delay': noFault,
  'route.fault.abort': noFault,
} satisfies Partial<FidelityTable>;

const whenever = 'Whenever there are retries Linkerd tries refused streams again, and requests for which no connection came in time.';
const retries = {
  'route.retries.none': exact,
  'route.retries.attempts': approximated('Requests with bodies over 64 KiB are not tried again.'),
  'route.retries.perTryTimeout': approximated('The last try is not cut short, and a try that was is tried again whatever `on` says.'),
  'route.retries.on.5xx': approximated(
    'Answers with 5xx are tried again, and of requests without an answer refused streams and those for which no connection came in time.',
  ),
  'route.retries.on.connect-failure': approximated(whenever),
  'route.retries.on.gateway-error': approximated(whenever),
  'route.retries.on.refused-stream': approximated(whenever),
  'route.retries.on.reset': refused(
    'ResetNotRetried',
    'Linkerd does not try requests again that were cut off without an answer; retry on `gateway-error` or `refused-stream`.',
  ),
  'route.retries.on.retriable-4xx': approximated(whenever),
} satisfies Partial<FidelityTable>;

const resilience = {
  connectTimeout: injected('connect time-outs'),
  retryBudget: refused(
    'NoRetryBudget',
    'Linkerd budgets retries in ServiceProfiles only, beside which it reads no routes; limit `attempts` instead.',
  ),
  'circuitBreaker.maxConnections': noLimits,
  'circuitBreaker.maxPendingRequests': noLimits,
  'circuitBreaker.maxRequests': noLimits,
  'circuitBreaker.maxRequestsPerConnection': noLimits,
  'outlierDetection.consecutiveErrors': exact,
  'outlierDetection.interval': approximated('Linkerd looks at an endpoint with each answer, and not at intervals.'),
  'outlierDetection.ejection': exact,
  'outlierDetection.maxEjectionPercent': {
    ...exact,
    except: [
      {
        code: 'NoEjectionLimit',
        sentence: 'Linkerd may take all endpoints out at a time; say `maxEjectionPercent: 100` if that is meant.',
        at: ({ outlierDetection }) =>
          outlierDetection && outlierDetection.maxEjectionPercent < 100 ? ['outlierDetection.maxEjectionPercent'] : [],
      },
    ],
  },
  'loadBalancing.least-request': balancing,
  'loadBalancing.random': balancing,
  'loadBalancing.round-robin': balancing,
  'loadBalancing.hash': balancing,
  failover: refused('NoFailover', 'Linkerd itself has no failover between regions (an extension of it has); leave it out.'),
} satisfies Partial<FidelityTable>;

const security = {
  'mtls.permissive': exact,
  'mtls.shadow': exact,
  'mtls.strict': exact,
  'allow.nobody': exact,
  'allow.callers': { ...exact, except: [tooManyPermissions] },
  'allow.methods': { ...exact, except: [{ ...unknownMethod, at: inAllow('methods', namesUnknownMethod) }] },
  'allow.paths.exact': { ...exact, except: [overlappingPaths, rootPath, unresolvedPath, longAllowedPath] },
  'allow.paths.prefix': { ...exact, except: [overlappingPaths, unresolvedPath, longAllowedPath] },
  'allow.paths.regex': refused(
    'OtherRegexDialect',
    "Linkerd reads expressions by Rust's regex, which may allow more than RE2 would; allow exact paths or prefixes.",
  ),
  'allow.wildcards': exact,
} satisfies Partial<FidelityTable>;

const noTokens = refused(
  'NoTokenValidation',
  'Linkerd knows callers by mTLS and looks into no tokens; leave `tokens` out, and let the workload verify them.',
);

export const linkerdFidelity: FidelityTable = {
  ...routing,
  ...retries,
  ...resilience,
  ...security,
  tokens: noTokens,
  'tokens.roles': noTokens,
  'egress.http': egress,
  'egress.tls': egress,
  ingress: refused(
    'BringYourOwnIngress',
    'Linkerd has no gateway: mesh the one you have, route to the service there, and leave `ingress` out.',
  ),
  'telemetry.accessLog.all': injected('access logs'),
  'telemetry.accessLog.errors': injected('access logs'),
  'telemetry.tracing': injected('tracing'),
};
