/**
 * What Gateway API says of a plan exactly, nearly, or not at all (gateway.networking.k8s.io/v1, standard channel; the experimental
 * one where it may be used). What it leaves to implementations is no exact thing to say.
 */
import { approximated, exact, type FidelityTable, type FieldJudgement, type Judgement, refused } from '../../plan/fidelity.ts';
import { emptyHeader, noGatewayPath, tooManyHeaders, tooManyRoutes, tooManyVersions, unknownMethod } from './http-route.ts';
import { closer, overtaken } from './precedence.ts';

const handedOn = (appProtocol: string): Judgement =>
  approximated(
    `Callers and the service speak it as the port of the service's Kubernetes Service says, which has to have \`appProtocol: ${appProtocol}\`.`,
  );
const byExpression = approximated(
  'It is written as an expression, which implementations need not support, in a dialect of their own: RE2 in those made of Envoy.',
);
const noPolicy = (what: string): Judgement =>
  refused(
    'NotInGatewayApi',
    `Gateway API has no ${what}; leave it out, or give the data plane as the mesh that implements it, such as \`kind: istio\`.`,
  );
const security = refused(
  'NoSecurityInGatewayApi',
  'Gateway API says nothing of mTLS or of who may call whom inside a mesh; give the data plane as the mesh that implements it, such as `kind: istio`.',
);

/** `experimental`: whether the CRDs of the experimental channel are installed and may be used. */
export function gatewayApiFidelity(experimental: boolean): FidelityTable {
  const retried = (judgement: Judgement): Judgement =>
    experimental
      ? judgement
      : refused(
          'ExperimentalChannelOnly',
          'Retries are in the experimental channel of Gateway API; install it and say `experimental: true` of the data plane, or leave `retries` out.',
        );
  return { ...routing, ...retries(retried), ...resilience, ...boundary };
}

const inOrder: FieldJudgement = {
  ...exact,
  except: [
    {
      code: 'RouteOvertaken',
      sentence:
        'Gateway API tries routes by how closely they match (exact path, longer prefix, method, more headers), and a later route would be tried before this one; put it behind that one, or give it the closer match.',
      at: (plan) => overtaken(plan, closer),
    },
    tooManyRoutes,
    tooManyHeaders,
  ],
};

const routing = {
  'protocol.http': exact,
  'protocol.http2': handedOn('kubernetes.io/h2c'),
  'protocol.grpc': handedOn('grpc'),
  'route.split': { ...exact, except: [tooManyVersions] },
  'route.path.exact': { ...exact, except: [noGatewayPath] },
  'route.path.prefix': {
    ...approximated('Gateway API compares whole path elements: `/a` and `/a/` match `/a` and `/a/b`, and not `/ab`.'),
    except: [noGatewayPath],
  },
  'route.path.regex': refused(
    'RegexPathUnordered',
    'Gateway API leaves the dialect of path expressions, and when their routes are tried, to implementations; match by exact path or prefix.',
  ),
  'route.methods': { ...exact, except: [unknownMethod] },
  'route.headers.exact': { ...exact, except: [emptyHeader] },
  'route.headers.prefix': byExpression,
  'route.headers.regex': byExpression,
  'route.headers.present': byExpression,
  'route.headers.absent': refused(
    'HeaderAbsence',
    'Gateway API has no match for a header that is not there; give the requests that do have it a route of their own, before this one.',
  ),
  'route.headers.twice': refused('HeaderMatchedTwice', 'Gateway API takes one condition on a header; join them in one `regex`.'),
  'route.order': inOrder,
  'route.timeout': exact,
  'route.timeout.none': exact,
  'route.mirror': exact,
  'route.mirror.percent': exact,
  'route.fault.delay': noPolicy('fault injection'),
  'route.fault.abort': noPolicy('fault injection'),
} satisfies Partial<FidelityTable>;

const retries = (retried: (judgement: Judgement) => Judgement) => {
  const orBroken = retried(
    approximated('With any retries failed connections, refused streams, and UNAVAILABLE and CANCELLED of gRPC are tried again too.'),
  );
  return {
    'route.retries.none': approximated(
      'Gateway API cannot switch off what an implementation tries again by itself: Istio twice, failed connections and refused streams, unless `defaultHttpRetryPolicy` of its mesh says `attempts: 0`.',
    ),
    'route.retries.attempts': retried(exact),
    'route.retries.perTryTimeout': retried(exact),
    'route.retries.on.5xx': retried(
      approximated(
        '500 to 511 are tried again; with them failed connections, refused streams, and UNAVAILABLE and CANCELLED of gRPC, but not requests cut off without an answer.',
      ),
    ),
    'route.retries.on.connect-failure': orBroken,
    'route.retries.on.gateway-error': orBroken,
    'route.retries.on.refused-stream': orBroken,
    'route.retries.on.reset': retried(
      refused(
        'ResetNotRetried',
        'Gateway API has no condition for requests cut off without an answer, and implementations differ; retry on `gateway-error` or `connect-failure`.',
      ),
    ),
    'route.retries.on.retriable-4xx': orBroken,
  } satisfies Partial<FidelityTable>;
};

const limits = noPolicy('circuit breaker');
const outliers = noPolicy('outlier detection');
const balancing = noPolicy('choice of load balancing');
const resilience = {
  connectTimeout: noPolicy('connect time-out'),
  retryBudget: noPolicy('retry budget by requests under way'),
  'circuitBreaker.maxConnections': limits,
  'circuitBreaker.maxPendingRequests': limits,
  'circuitBreaker.maxRequests': limits,
  'circuitBreaker.maxRequestsPerConnection': limits,
  'outlierDetection.consecutiveErrors': outliers,
  'outlierDetection.interval': outliers,
  'outlierDetection.ejection': outliers,
  'outlierDetection.maxEjectionPercent': outliers,
  'loadBalancing.least-request': balancing,
  'loadBalancing.random': balancing,
  'loadBalancing.round-robin': balancing,
  'loadBalancing.hash': balancing,
  failover: noPolicy('failover between regions'),
} satisfies Partial<FidelityTable>;

const noTokens = refused(
  'NoTokenValidation',
  'Gateway API has no policy for tokens that every mesh reads; leave `tokens` out, and let the workload verify them.',
);
const boundary = {
  'mtls.permissive': security,
  'mtls.shadow': security,
  'mtls.strict': security,
  'allow.nobody': security,
  'allow.callers': security,
  'allow.methods': security,
  'allow.paths.exact': security,
  'allow.paths.prefix': security,
  'allow.paths.regex': security,
  'allow.wildcards': security,
  tokens: noTokens,
  'tokens.roles': noTokens,
  'egress.http': noPolicy('way to name an outside host'),
  'egress.tls': noPolicy('way to name an outside host'),
  ingress: exact,
  'telemetry.accessLog.all': noPolicy('access log'),
  'telemetry.accessLog.errors': noPolicy('access log'),
  'telemetry.tracing': noPolicy('tracing'),
} satisfies Partial<FidelityTable>;
