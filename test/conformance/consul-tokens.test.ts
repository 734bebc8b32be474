/**
 * Why `tokens` is refused on Consul: its own entries for tokens, written by hand with everything they can say of the issuer's certificate, have
 * its proxies take keys from a host that is somebody else. When this fails, Consul verifies names, and can be given tokens.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consulFidelity } from '../../src/dataplanes/consul/fidelity.ts';
import { bearing, type Issuers, startIssuers } from '../dataplanes/envoy/issuers.ts';
import { ask, type Target } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { type Consul, startConsul } from './consul.ts';
import { type ConsulCaller, consulEnvoys } from './consul-envoys.ts';
import { Started, stopping } from './process.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('consul')) && (await realEnvoy()) !== undefined;
const AUDIENCE = 'api://catalog';

describe.skipIf(!have)('tokens as Consul itself has them', () => {
  const started = new Started();
  let issuers: Issuers;
  let consul: Consul;
  let web: ConsulCaller;

  beforeAll(async () => {
    issuers = await startIssuers();
    started.add(stopping(issuers.stop));
    consul = started.add(await startConsul('deny'));
    const envoys = started.add(consulEnvoys(consul));
    await consul.mustWrite({ Kind: 'service-defaults', Name: 'catalog', Protocol: 'http' });
    await envoys.workload('catalog', 'v1');
    web = await envoys.caller('web', ['catalog']);
  });
  afterAll(() => started.stop());

  const to = (token?: string): Target => web.to('catalog', token === undefined ? {} : bearing(token));
  const isAnswered = async (target: Target): Promise<boolean> => 'version' in (await ask(target));

  it('are believed from whoever has a certificate, whatever the name in it', async () => {
    const impostor = await issuers.impostor({ host: 'elsewhere.example' });
    const remote = {
      URI: `${impostor.url}/keys`,
      RequestTimeoutMs: 5_000,
      UseSNI: true,
      JWKSCluster: { DiscoveryType: 'STRICT_DNS', TLSCertificates: { TrustedCA: { Filename: issuers.authorities } } },
    };
    await consul.mustWrite(
      { Kind: 'jwt-provider', Name: 'issuer', Issuer: impostor.url, Audiences: [AUDIENCE], JSONWebKeySet: { Remote: remote } },
      {
        Kind: 'service-intentions',
        Name: 'catalog',
        JWT: { Providers: [{ Name: 'issuer' }] },
        Sources: [{ Name: 'web', Action: 'allow' }],
      },
    );
    const forged = await impostor.token({ aud: AUDIENCE });
    await until('the forged token is believed', () => isAnswered(to(forged)));
    expect(await isAnswered(to())).toBe(false);
    expect(consulFidelity.tokens).toMatchObject({ kind: 'refused', code: 'IssuerNotVerified' });
  });
});
