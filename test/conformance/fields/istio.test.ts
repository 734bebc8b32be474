/** Istio's exact fields, read from stock Envoys that a real istiod configures. */
import { renderIstio } from '../../../src/dataplanes/istio/render.ts';
import { realEnvoy } from '../../real-envoy.ts';
import { haveServers } from '../servers/build.ts';
import { istioTests } from './field-tests.ts';
import { istioSpelling, openIstioGateway, startIstioStage } from './istio-stage.ts';
import { describeFields } from './read-back.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;

describeFields('istio', have, istioTests, () =>
  startIstioStage({
    dataPlane: 'istio',
    spelling: istioSpelling,
    crds: ['istio'],
    render: renderIstio,
    openGateway: openIstioGateway,
  }),
);
