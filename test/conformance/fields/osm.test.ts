/** OSM's exact fields, read from stock Envoys that a real osm-controller configures. */
import { osmRenderer } from '../../../src/dataplanes/osm/renderer.ts';
import { realEnvoy } from '../../real-envoy.ts';
import { missingNetworks } from '../network.ts';
import { haveServers } from '../servers/build.ts';
import { osmTests } from './field-tests.ts';
import { startOsmStage } from './osm-stage.ts';
import { describeFields } from './read-back.ts';

const missing = await missingNetworks();
if (missing !== undefined) console.warn(`Skipped: OSM. ${missing}`);
const have = missing === undefined && (await haveServers('etcd', 'kube-apiserver', 'osm-controller')) && (await realEnvoy()) !== undefined;

describeFields('osm', have, osmTests, () => startOsmStage('osm', (plan) => osmRenderer.render(plan)));
