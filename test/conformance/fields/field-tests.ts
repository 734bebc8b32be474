/** By data plane: which tests prove its exact fields. A renderer that is not here fails `test/dataplanes/exact-fields.test.ts`. */
import { istioFidelity } from '../../../src/dataplanes/istio/fidelity.ts';
import type { FieldTests } from './exact-fields.ts';

export const istioTests: FieldTests = {
  fidelity: istioFidelity,
  elsewhere: {},
  also: [
    'protocol.http2',
    'protocol.grpc',
    'egress.http',

    'telemetry.accessLog.all',
    'telemetry.accessLog.errors',
    'telemetry.tracing',
  ],
};
