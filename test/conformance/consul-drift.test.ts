/** Drift in a real Consul: what `test/dataplanes/consul` holds Consul in memory to. */
import { afterAll, beforeAll, describe } from 'vitest';
import { consulOverHttp } from '../../src/adapters/consul-http.ts';
import { specifyDrift } from '../dataplanes/consul/drifting.ts';
import { type Consul, startConsul } from './consul.ts';
import { haveServers } from './servers/build.ts';

const haveConsul = await haveServers('consul');

describe.skipIf(!haveConsul)('drift in a real Consul', () => {
  let server: Consul;
  beforeAll(async () => {
    server = await startConsul('deny');
  });
  afterAll(() => server?.stop());

  specifyDrift(() => ({
    consul: consulOverHttp({ address: server.url, token: () => server.managementToken }),
    put: (entry) => server.mustWrite(entry),
  }));
});
