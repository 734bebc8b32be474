/**
 * By data plane: where its exact fields are proved, and what is particular there. `test/dataplanes/exact-fields.test.ts` holds every
 * table to this: an exact field without a test fails it, with its name and its data plane's.
 */
import { consulFidelity } from '../../../src/dataplanes/consul/fidelity.ts';
import { gatewayApiFidelity } from '../../../src/dataplanes/gateway-api/fidelity.ts';
import { istioFidelity } from '../../../src/dataplanes/istio/fidelity.ts';
import { linkerdFidelity } from '../../../src/dataplanes/linkerd/fidelity.ts';
import { osmFidelity } from '../../../src/dataplanes/osm/fidelity.ts';
import type { DataPlaneKind } from '../../../src/spec/schema.ts';
import type { FieldTests } from './exact-fields.ts';
import { NAMESPACE } from './field-case.ts';
import { strictOrNothing } from './security-cases.ts';

export const istioTests: FieldTests = {
  fidelity: istioFidelity,
  also: [
    'circuitBreaker.maxConnections',
    'loadBalancing.hash',
    'protocol.http2',
    'protocol.grpc',
    'egress.http',
    'telemetry.accessLog.all',
    'telemetry.accessLog.errors',
    'telemetry.tracing',
  ],
};

export const consulTests: FieldTests = {
  fidelity: consulFidelity,
  own: { 'mtls.strict': strictOrNothing },
  also: ['loadBalancing.hash', 'route.timeout.none', 'route.retries.attempts'],
};

export const gatewayApiTests: FieldTests = {
  fidelity: gatewayApiFidelity(false),
  also: ['protocol.http2', 'protocol.grpc', 'route.headers.regex'],
};

export const experimentalGatewayApiTests: FieldTests = { fidelity: gatewayApiFidelity(true) };

export const osmTests: FieldTests = {
  fidelity: osmFidelity,
  // A caller is told of those services only that it may call.
  security: { stage: 'strict', allow: [{ callers: [{ namespace: NAMESPACE, serviceAccount: 'web', service: 'web' }] }] },
  also: ['circuitBreaker.maxConnections', 'route.split', 'route.timeout.none'],
  single: ['route.timeout.none', 'route.retries.none', 'mtls.strict'],
};

/** Its controllers are not to be had: read back from the API server, and no further. */
export const linkerdTests: FieldTests = { fidelity: linkerdFidelity, single: ['outlierDetection.maxEjectionPercent'] };

/** `file`, from the root of the repository, runs the cases; without `tests` it has a list of its own, made from the table too. */
export interface Proved {
  readonly file: string;
  readonly tests?: readonly FieldTests[];
}

const at = (name: string): string => `test/conformance/fields/${name}.test.ts`;

export const provedAt: Readonly<Record<DataPlaneKind, Proved>> = {
  istio: { file: at('istio'), tests: [istioTests] },
  consul: { file: at('consul'), tests: [consulTests] },
  'gateway-api': { file: at('gateway-api'), tests: [gatewayApiTests, experimentalGatewayApiTests] },
  osm: { file: at('osm'), tests: [osmTests] },
  linkerd: { file: at('linkerd'), tests: [linkerdTests] },
  envoy: { file: 'test/dataplanes/envoy/fields.test.ts' },
};
