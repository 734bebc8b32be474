/** Consul's exact fields, read from stock Envoys that a real Consul configures. */
import { consulRenderer } from '../../../src/dataplanes/consul/renderer.ts';
import { realEnvoy } from '../../real-envoy.ts';
import { haveServers } from '../servers/build.ts';
import { startConsulStage } from './consul-stage.ts';
import { consulTests } from './field-tests.ts';
import { describeFields } from './read-back.ts';

const have = (await haveServers('consul')) && (await realEnvoy()) !== undefined;

describeFields('consul', have, consulTests, () => startConsulStage('consul', (plan) => consulRenderer.render(plan)));
