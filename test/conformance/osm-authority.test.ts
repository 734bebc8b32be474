/**
 * Why certificates of an OSM mesh are refused: what the last release of osm-controller makes of another authority, on the real one with real Envoys. While it
 * runs it heeds nothing but another authority in place of its own; started anew it can trust two, and is not believed by the Envoys there are once the
 * other one signs; and it ends with an issuer such as are handed out here.
 */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { certificatesIn, issuerAmong } from '../../src/dataplanes/certificates.ts';
import { ask } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { anotherCa } from '../trust/another-ca.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import type { Envoy } from './envoy.ts';
import { missingNetworks } from './network.ts';
import { authorityIn, CA_BUNDLE, OSM_NAMESPACE, OSM_XDS_PORT, type Osm, rootCertificate, startOsm } from './osm.ts';
import { type OsmEnvoys, type OsmWorkload, osmEnvoys } from './osm-envoys.ts';
import { LOOPBACK } from './process.ts';
import { haveServers } from './servers/build.ts';

const missing = await missingNetworks();
if (missing !== undefined) console.warn(`Skipped: OSM. ${missing}`);
const have = missing === undefined && (await haveServers('etcd', 'kube-apiserver', 'osm-controller')) && (await realEnvoy()) !== undefined;

const catalog = { name: 'catalog', namespace: 'shop' };
const inline = z.object({ inline_bytes: z.base64().default('') }).default({ inline_bytes: '' });
const dumpSchema = z.object({
  configs: z.array(
    z.object({
      secret: z.object({
        tls_certificate: z.object({ certificate_chain: inline }).exactOptional(),
        validation_context: z.object({ trusted_ca: inline }).exactOptional(),
      }),
    }),
  ),
});

/** What an Envoy presents and whom it trusts, of all its secrets. */
async function loaded(envoy: Envoy) {
  const { configs } = dumpSchema.parse(JSON.parse(await envoy.admin('/config_dump?resource=dynamic_active_secrets')));
  const read = (bytes = '') => certificatesIn(Buffer.from(bytes, 'base64').toString('utf8'));
  return {
    leafs: configs.flatMap(({ secret }) => read(secret.tls_certificate?.certificate_chain.inline_bytes)),
    roots: configs.flatMap(({ secret }) => read(secret.validation_context?.trusted_ca.inline_bytes)),
  };
}

/** By which the controller shows itself to Envoys. */
async function ofXds({ network }: Osm): Promise<X509Certificate> {
  const port = await network.node.reach(OSM_XDS_PORT, network.node.address);
  const socket = connect({ host: LOOPBACK, port, rejectUnauthorized: false });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return new X509Certificate(raw);
}

async function setState(api: ApiServer, name: string, state: string): Promise<void> {
  const path = `/apis/config.openservicemesh.io/v1alpha2/namespaces/${OSM_NAMESPACE}/meshrootcertificates/${name}/status`;
  const { status, body } = await api.admin.ask('PATCH', path, { status: { state } }, 'application/merge-patch+json');
  if (status !== 200) throw new Error(`${name} did not get its state (${status}): ${JSON.stringify(body)}`);
}

describe.skipIf(!have)('another authority of an OSM mesh', () => {
  let api: ApiServer;
  let osm: Osm;
  let envoys: OsmEnvoys;
  let workload: OsmWorkload;

  const isUnder = async (envoy: Envoy, root: X509Certificate): Promise<boolean> => {
    const { leafs, roots } = await loaded(envoy);
    const same = roots.length > 0 && roots.every((each) => each.raw.equals(root.raw));
    return same && leafs.length > 0 && leafs.every((leaf) => issuerAmong(leaf, [root]) !== undefined);
  };
  const rootIn = async (secret: string) => new X509Certificate((await authorityIn(api, secret)).certificate);

  beforeAll(async () => {
    api = await startApiServer('osm');
    osm = await startOsm(api, { permissive: true, rootCertificates: true });
    envoys = osmEnvoys(api, osm);
    await envoys.service(catalog);
    workload = await envoys.workload('shop', 'catalog', 'v1');
    const web = await envoys.caller('shop', 'web');
    const target = await web.to(catalog);
    await until('catalog answers', async () => 'version' in (await ask(target)));
  }, 120_000);
  afterAll(async () => {
    for (const each of [envoys, osm, api]) await each?.stop();
  });

  it('signs and is trusted alone as soon as it is there, and is not what Envoys know the controller by', async () => {
    const first = await rootIn(CA_BUNDLE);
    await until('the first is in force', () => isUnder(workload.envoy, first));
    await api.admin.mustApply(rootCertificate('second', 'osm-ca-next'));
    const second = await until('it is made', () => rootIn('osm-ca-next'));
    const { leafs, roots } = await until('its leafs are handed out', async () => {
      const now = await loaded(workload.envoy);
      return now.leafs.every((leaf) => issuerAmong(leaf, [second])) && now.roots.some((root) => root.raw.equals(second.raw)) && now;
    });
    expect(leafs.length).toBeGreaterThan(0);
    expect(roots.filter((root) => root.raw.equals(first.raw))).toEqual([]);
    // A sidecar that is injected from now on has the second in its bootstrap, and would not believe this.
    expect(issuerAmong(await ofXds(osm), [first, second])?.raw.equals(first.raw)).toBe(true);
  }, 120_000);

  it('cannot be taken back by any state that it is given, nor by what its Secret says', async () => {
    const second = await rootIn('osm-ca-next');
    await setState(api, 'second', 'validatingRollout');
    await setState(api, 'first', 'active');
    const { body } = await api.admin.ask('GET', `/api/v1/namespaces/${OSM_NAMESPACE}/secrets/${CA_BUNDLE}`);
    const { data } = z.object({ data: z.record(z.string(), z.string()) }).parse(body);
    const secrets = `/api/v1/namespaces/${OSM_NAMESPACE}/secrets/osm-ca-next`;
    expect((await api.admin.ask('PATCH', secrets, { data }, 'application/merge-patch+json')).status).toBe(200);
    // Whoever comes now gets what is in force now.
    const { envoy } = await envoys.workload('shop', 'catalog', 'v2');
    await until('it has a leaf', async () => (await loaded(envoy)).leafs.length > 0);
    expect(await isUnder(envoy, second)).toBe(true);
  }, 120_000);
});

describe.skipIf(!have)('an osm-controller that is started anew with two authorities', () => {
  it('trusts both, and is believed by no Envoy of before once the other one signs', async () => {
    const api = await startApiServer('osm');
    /** It makes what it is to have, the first time. */
    const restarted = async (first: string, second: string, look: (osm: Osm) => Promise<void>) => {
      await setState(api, 'first', first);
      await setState(api, 'second', second);
      await using osm = await startOsm(api, { permissive: true, rootCertificates: true });
      await look(osm);
    };
    try {
      await (await startOsm(api, { rootCertificates: true })).stop();
      await api.admin.mustApply(rootCertificate('second', 'osm-ca-next'));
      const roots = async () => [
        new X509Certificate((await authorityIn(api, CA_BUNDLE)).certificate),
        new X509Certificate((await authorityIn(api, 'osm-ca-next')).certificate),
      ];
      await restarted('issuingRollout', 'validatingRollout', async (osm) => {
        await using envoys = osmEnvoys(api, osm);
        await envoys.service(catalog);
        const { envoy } = await envoys.workload('shop', 'catalog', 'v1');
        const both = (await roots()).map(({ fingerprint256 }) => fingerprint256).sort();
        await until('it trusts both', async () => {
          const trusted = new Set((await loaded(envoy)).roots.map(({ fingerprint256 }) => fingerprint256));
          return [...trusted].sort().join() === both.join();
        });
      });
      const [first, second] = await roots();
      if (!first || !second) throw new Error('There are two.');
      await restarted('validatingRollback', 'issuingRollout', async (osm) => {
        // The bootstrap of whatever was injected before both were trusted has the first alone.
        expect(issuerAmong(await ofXds(osm), [first])).toBeUndefined();
        expect(issuerAmong(await ofXds(osm), [second])).toBeDefined();
      });
    } finally {
      await api.stop();
    }
  }, 120_000);
});

describe.skipIf(!have)('an issuer such as are handed out here', () => {
  it('ends osm-controller, which takes no keys but RSA ones', async () => {
    const api = await startApiServer('osm');
    try {
      const { certificate, key } = await (await anotherCa()).issue();
      await api.namespace(OSM_NAMESPACE);
      const encoded = (text: string) => Buffer.from(text).toString('base64');
      await api.admin.mustApply({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: CA_BUNDLE, namespace: OSM_NAMESPACE },
        data: { 'ca.crt': encoded(certificate), 'private.key': encoded(key) },
      });
      await expect(startOsm(api)).rejects.toThrow(/panic: interface conversion: .*\*ecdsa\.PrivateKey, not \*rsa\.PrivateKey/);
    } finally {
      await api.stop();
    }
  }, 120_000);
});
