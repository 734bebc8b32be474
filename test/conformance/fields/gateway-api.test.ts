/** Gateway API's exact fields, of the standard channel and the experimental one, read from stock Envoys that a real istiod configures. */
import { gatewayApiRenderer } from '../../../src/dataplanes/gateway-api/renderer.ts';
import { versionServiceName } from '../../../src/dataplanes/kubernetes/objects.ts';
import { realEnvoy } from '../../real-envoy.ts';
import { missingNetworks } from '../network.ts';
import { haveServers } from '../servers/build.ts';
import { experimentalGatewayApiTests, gatewayApiTests } from './field-tests.ts';
import { istioSpelling, openKubernetesGateway, startIstioStage } from './istio-stage.ts';
import { describeFields } from './read-back.ts';
import type { Spelling } from './seen.ts';

const missing = await missingNetworks();
if (missing !== undefined) console.warn(`Skipped: Gateway API. ${missing}`);
const have = missing === undefined && (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;

/** A version is a Service here. */
const spelling: Spelling = {
  ...istioSpelling,
  clusterName: (plan, version) => `outbound|${plan.port}||${versionServiceName(plan, version)}.${plan.namespace}.svc.cluster.local`,
};

const start = (experimental: boolean) => () =>
  startIstioStage({
    dataPlane: 'gateway-api',
    spelling,
    crds: ['istio', experimental ? 'gateway-api-experimental' : 'gateway-api'],
    render: (plan) => gatewayApiRenderer(experimental).render(plan),
    openGateway: openKubernetesGateway,
  });

describeFields('gateway-api', have, gatewayApiTests, start(false));
describeFields('gateway-api, experimental channel', have, experimentalGatewayApiTests, start(true));
