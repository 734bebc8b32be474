/** By data plane: which tests prove its exact fields. One that is missing here fails `test/dataplanes/exact-fields.test.ts`. */
import { consulFidelity } from '../../../src/dataplanes/consul/fidelity.ts';
import { gatewayApiFidelity } from '../../../src/dataplanes/gateway-api/fidelity.ts';
import { istioFidelity } from '../../../src/dataplanes/istio/fidelity.ts';
import { osmFidelity } from '../../../src/dataplanes/osm/fidelity.ts';
import type { FieldTests } from './exact-fields.ts';
import { strictOrNothing } from './security-cases.ts';

export const istioTests: FieldTests = {
  fidelity: istioFidelity,
  also: ['protocol.http2', 'protocol.grpc', 'egress.http', 'telemetry.accessLog.all', 'telemetry.accessLog.errors', 'telemetry.tracing'],
};

export const consulTests: FieldTests = {
  fidelity: consulFidelity,
  own: { 'mtls.strict': strictOrNothing },
  also: ['route.timeout.none', 'route.retries.attempts'],
};

export const gatewayApiTests: FieldTests = {
  fidelity: gatewayApiFidelity(false),
  also: ['protocol.http2', 'protocol.grpc', 'route.headers.regex'],
};

export const experimentalGatewayApiTests: FieldTests = { fidelity: gatewayApiFidelity(true) };

export const osmTests: FieldTests = {
  fidelity: osmFidelity,
  single: ['route.timeout.none', 'route.retries.none', 'mtls.strict'],
};
