/** What Istio says of a plan exactly, nearly, or not at all (networking.istio.io/v1, security.istio.io/v1, telemetry.istio.io/v1). */
import { approximated, type Exception, exact, type FidelityTable, type Judgement, refused } from '../../plan/fidelity.ts';
import { connectionsAtATime, endpointByHash } from '../made-of-envoy.ts';

/** Callers speak HTTP/2 whatever the Service says; the other half of the way is not ours. */
const handedOn = (appProtocol: string): Judgement =>
  approximated(
    `The service's sidecars hand calls on as the port of its Kubernetes Service says, which has to have \`appProtocol: ${appProtocol}\`.`,
  );
const outsideHost = approximated(
  'Every workload of the namespace may call the host too, and whether hosts that nobody named can be called is up to `outboundTrafficPolicy` of the mesh.',
);
const servedRequests = approximated(
  "The service's own sidecars log, to standard output; a call that reached none of them is in no log but its caller's.",
);

/** A policy that selects no workload holds for all of its namespace. */
const noSelector: Exception = {
  code: 'NoSelector',
  sentence: 'Istio would hold this for every workload of the namespace; give the service a `selector` with the labels of its own.',
  at: ({ selector }) => (Object.keys(selector).length === 0 ? ['mtls', 'tokens', 'telemetry.accessLog', 'telemetry.tracing'] : []),
};

/** Policies of Istio's root namespace hold for what they select in all namespaces. */
const inRootNamespace = (rootNamespace: string): Exception => ({
  code: 'PolicyInRootNamespace',
  sentence:
    'Istio would hold what is said in its root namespace for workloads of the same labels everywhere; move the service to a namespace of its own.',
  at: ({ namespace }) => (namespace === rootNamespace ? ['mtls', 'tokens'] : []),
});

const asPattern: Pick<Exception, 'code' | 'sentence'> = {
  code: 'WildcardInTokens',
  sentence:
    'Istio reads `*` at either end of a value as a pattern and has no way to say that it stands for itself; ask for values without it.',
};
const isPattern = (value: string): boolean => value.startsWith('*') || value.endsWith('*');
const patternAsAudience: Exception = {
  ...asPattern,
  at: ({ tokens }) => (tokens && (isPattern(tokens.audience) || isPattern(tokens.issuer)) ? ['tokens'] : []),
};

/** `rootNamespace`: that of the mesh, where istiod runs unless its MeshConfig says otherwise. */
export function istioFidelityIn(rootNamespace: string): FidelityTable {
  const staged = { ...exact, except: [noSelector, inRootNamespace(rootNamespace)] };
  const tokens = { ...staged, except: [...staged.except, patternAsAudience] };
  return { ...everywhere, tokens, 'mtls.permissive': staged, 'mtls.shadow': staged, 'mtls.strict': staged };
}

const everywhere: Omit<FidelityTable, 'tokens' | 'mtls.permissive' | 'mtls.shadow' | 'mtls.strict'> = {
  'protocol.http': exact,
  'protocol.http2': handedOn('kubernetes.io/h2c'),
  'protocol.grpc': handedOn('grpc'),
  'route.split': exact,
  'route.path.exact': exact,
  'route.path.prefix': exact,
  'route.path.regex': exact,
  'route.methods': exact,
  'route.headers.exact': exact,
  'route.headers.prefix': exact,
  'route.headers.regex': exact,
  'route.headers.present': exact,
  'route.headers.absent': exact,
  'route.headers.twice': refused('HeaderMatchedTwice', 'Istio takes one condition on the value of a header; join them in one `regex`.'),
  'route.order': exact,
  'route.timeout': exact,
  'route.timeout.none': exact,
  'route.retries.none': exact,
  'route.retries.attempts': exact,
  'route.retries.perTryTimeout': exact,
  'route.retries.on.5xx': exact,
  'route.retries.on.connect-failure': exact,
  'route.retries.on.gateway-error': exact,
  'route.retries.on.refused-stream': exact,
  'route.retries.on.reset': exact,
  'route.retries.on.retriable-4xx': exact,
  'route.mirror': exact,
  'route.mirror.percent': exact,
  'route.fault.delay': exact,
  'route.fault.abort': exact,
  connectTimeout: exact,
  retryBudget: exact,
  'circuitBreaker.maxConnections': connectionsAtATime,
  'circuitBreaker.maxPendingRequests': exact,
  'circuitBreaker.maxRequests': exact,
  'circuitBreaker.maxRequestsPerConnection': exact,
  'outlierDetection.consecutiveErrors': exact,
  'outlierDetection.interval': exact,
  'outlierDetection.ejection': exact,
  'outlierDetection.maxEjectionPercent': exact,
  'loadBalancing.least-request': exact,
  'loadBalancing.random': exact,
  'loadBalancing.round-robin': exact,
  'loadBalancing.hash': endpointByHash,
  failover: approximated(
    'The first region comes before all others, and these are alike; calls begin to go to them when less than five in seven of its endpoints are healthy.',
  ),
  'allow.nobody': exact,
  'allow.callers': exact,
  'allow.methods': exact,
  'allow.paths.exact': exact,
  'allow.paths.prefix': exact,
  'allow.paths.regex': refused(
    'PathExpressionInAllow',
    'Istio allows paths that are exact or begin with a text; write `exact` or `prefix`, one for each path.',
  ),
  'allow.wildcards': refused(
    'WildcardInAllow',
    'Istio reads `*`, `{` and `}` in methods and paths as patterns and has no way to say that they stand for themselves; name methods and paths without them.',
  ),
  'tokens.roles': {
    ...exact,
    except: [{ ...asPattern, at: ({ tokens }) => (tokens?.roles?.some(isPattern) ? ['tokens.roles'] : []) }],
  },
  'egress.http': outsideHost,
  'egress.tls': outsideHost,
  ingress: exact,
  'telemetry.accessLog.all': { ...servedRequests, except: [noSelector] },
  'telemetry.accessLog.errors': { ...servedRequests, except: [noSelector] },
  'telemetry.tracing': {
    ...approximated('Traces go to the tracing provider of the mesh (`defaultProviders.tracing`); without one nothing is traced.'),
    except: [noSelector],
  },
};

/** Of a mesh that is installed as Istio proposes. */
export const istioFidelity: FidelityTable = istioFidelityIn('istio-system');
