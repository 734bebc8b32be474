/**
 * A rotation of the CA of AKS's Istio add-on, which comes from four secrets of a Key Vault: real istiod, API server and Envoys, the vault's stand-in, and a
 * driver that the test plays, so that it brings one secret at a time, in every order. Nothing is lost by the app's own steps; by the
 * two writes of the documentation, requests are.
 */
import { X509Certificate } from 'node:crypto';
import { SecretClient } from '@azure/keyvault-secrets';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { istiodSigning } from '../../src/adapters/istiod-signing.ts';
import { keyVaultSecrets } from '../../src/adapters/key-vault-secrets.ts';
import { certificatesIn, presentedBy } from '../../src/dataplanes/certificates.ts';
import type { SecretNames } from '../../src/dataplanes/istio/add-on-secrets.ts';
import { addOnTrust } from '../../src/dataplanes/istio/add-on-trust.ts';
import { istioDataPlane } from '../../src/dataplanes/istio/data-plane.ts';
import { AKS_NAMESPACE } from '../../src/dataplanes/istio/trust.ts';
import { signsUnder } from '../../src/trust/certificates.ts';
import type { TrustMaterial } from '../../src/trust/data-plane-trust.ts';
import { sendRequests, startTraffic } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { type KeyVaultStandIn, startKeyVault } from '../emulators/key-vault/start.ts';
import { realEnvoy } from '../real-envoy.ts';
import { anotherCa } from '../trust/another-ca.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { type CsiDriver, startCsiDriver } from './csi-driver.ts';
import { tokenOfTheDocs } from './documented-roles.ts';
import { catalog, type FreshCallers, freshCallers } from './istio-callers.ts';
import { type MeshPods, meshPods } from './istio-mesh-pods.ts';
import { type Istiod, rootsIn, startIstiod } from './istiod.ts';
import { connector } from './kubernetes-connector.ts';
import { type RotatingMesh, rotatingMesh } from './rotating-mesh.ts';
import { type SecretVolume, secretVolume } from './secret-volume.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;

const LEAF_S = 20;
/** istiod's words for a pair that is none. */
const MISMATCH = 'the cert does not match the key';
const MULTI_ROOT = { ISTIO_MULTIROOT_MESH: 'true' };
const names: SecretNames = { rootCert: 'root-cert', caCert: 'ca-cert', caKey: 'ca-key', certChain: 'cert-chain' };
const SPEC = `apiVersion: meshwright.dev/v1
kind: Mesh
name: shop
trustDomain: cluster.local
dataPlanes:
  - { name: west, kind: istio, cluster: { kubeconfigSetting: WEST }, revision: asm-1-26, caSecrets: { vault: "https://shop.vault.azure.net" } }
certificates: { leafLife: ${LEAF_S}s, issuerLife: ${6 * LEAF_S}s, rootLife: 10h }
`;

describe.skipIf(!have)('the CA of the Istio add-on of AKS', () => {
  let api: ApiServer;
  let documented: string;
  let keyVault: KeyVaultStandIn;
  let byHand: SecretClient;
  let mesh: RotatingMesh;
  let driver: CsiDriver;
  let volume: SecretVolume;
  let istiod: Istiod | undefined;
  let pods: MeshPods;
  let callers: FreshCallers;

  /** As whom the docs say, with the role of the vault that they say. */
  const west = () => {
    const cluster = connector(api, documented);
    const secrets = keyVaultSecrets({
      url: keyVault.url,
      credential: async () => keyVault.credential('Key Vault Secrets Officer'),
      loopback: true,
    });
    const place = { dataPlane: 'west', controlPlaneNamespace: AKS_NAMESPACE, leafLifeMs: LEAF_S * 1_000 };
    return addOnTrust({ cluster, signing: istiodSigning(cluster), secrets, names, takeOver: false, ...place });
  };
  /** Lines of istiod's log. */
  const said = async (line: string) => ((await istiod?.process.log())?.split(line).length ?? 1) - 1;

  beforeAll(async () => {
    api = await startApiServer('istio');
    await api.namespace(AKS_NAMESPACE);
    await api.admin.mustApply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: AKS_NAMESPACE, name: 'default' } });
    documented = await tokenOfTheDocs(api, 'istio.md', 'The CA of the Istio add-on of AKS');
    keyVault = await startKeyVault();
    byHand = new SecretClient(keyVault.url, keyVault.credential(), {
      allowInsecureConnection: true,
      disableChallengeResourceVerification: true,
    });
    mesh = await rotatingMesh(
      { mesh: 'shop', spec: SPEC },
      {
        dataPlane: (documents) =>
          istioDataPlane({ cluster: connector(api), documents, controlPlaneNamespace: AKS_NAMESPACE, takeOver: false, observe: true }),
        trust: west,
      },
    );
    const looks = async () => (istiod ? said('Update Istiod cacerts') : undefined);
    driver = startCsiDriver(api, keyVault, { namespace: AKS_NAMESPACE, names, looks });
    // As `az aks mesh enable` does once the secrets are there.
    volume = await secretVolume(api, AKS_NAMESPACE, 'cacerts');
    istiod = await startIstiod(api, { namespace: AKS_NAMESPACE, environment: { ...MULTI_ROOT, ROOT_CA_DIR: volume.folder } });
    // Nobody is told by the add-on with what its istiod was started.
    pods = await meshPods(api, istiod, {});
    callers = await freshCallers(api, istiod, pods, LEAF_S);
  }, 120_000);
  afterAll(async () => {
    for (const each of [mesh, driver, pods, callers, istiod, volume, api, keyVault]) await each?.stop();
  });

  const members = async () => Object.fromEntries((await west().look('shop', Date.now())).map((each) => [each.id, each]));
  const phase = async () => (await mesh.state()).rotation?.phase.name;

  it('is what istiod gives out and every proxy has loaded', async () => {
    const { current } = await mesh.state();
    const seen = await until('all are seen', async () => {
      const all = await members();
      return Object.keys(all).length === 4 && all;
    });
    for (const { trusts, presents, trouble } of Object.values(seen)) {
      expect(trouble).toBeUndefined();
      expect(trusts).toEqual([current?.fingerprint]);
      expect(current && presents && signsUnder(current, presents.issuer)).toBe(true);
    }
  });

  it('rotates through all phases and loses no request, whatever mixtures are brought on the way', async () => {
    const before = (await mesh.state()).current;
    const shaken = await callers.handshakes();
    const traffic = callers.targets.map((target) => startTraffic(target, 40));
    await mesh.app.rotating.rotate('shop', { id: 'rotate-1', actor: 'kim' }, { compromised: false });
    await until('it is distributing', async () => (await phase()) === 'distributing');
    await until('the rotation has ended', async () => (await mesh.state()).rotation === undefined, 240_000);
    const tallies = await Promise.all(traffic.map((each) => each.stop()));
    const after = (await mesh.state()).current;
    expect(tallies.flatMap(({ failures }) => failures).slice(0, 3)).toEqual([]);
    const sent = tallies.reduce((sum, { requests }) => sum + requests, 0);
    expect(sent).toBeGreaterThan(200);
    expect((await callers.handshakes()) - shaken).toBeGreaterThanOrEqual(sent);
    expect(after?.fingerprint).not.toBe(before?.fingerprint);
    for (const { trusts, presents } of Object.values(await members())) {
      expect(trusts).toEqual([after?.fingerprint]);
      expect(after && presents && signsUnder(after, presents.issuer)).toBe(true);
    }
    // Nothing but a pair was ever on its way together.
    expect(driver.mixtures.filter((entry) => entry !== 'ca-cert.pem' && entry !== 'ca-key.pem')).toEqual([]);
    console.log(
      `Rotated under ${sent} requests, each over an mTLS connection of its own; 0 failed; mixtures: ${driver.mixtures.join(', ')}.`,
    );
  }, 300_000);

  it('leaves no version of a key that is not in use any more to be read', async () => {
    const enabled = async (name: string) => {
      let count = 0;
      for await (const each of byHand.listPropertiesOfSecretVersions(name)) if (each.enabled) count += 1;
      return count;
    };
    await until('it is settled', async () => (await enabled('ca-key')) === 1 && (await enabled('ca-key-next')) === 0);
    expect((await byHand.getSecret('cert-chain')).value?.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
    expect(new X509Certificate((await byHand.getSecret('ca-cert')).value ?? '').toString()).toBe(
      new X509Certificate((await byHand.getSecret('cert-chain')).value ?? '').toString(),
    );
  });

  /** What istiod gives out: whether it can be followed to a root that it tells workloads to trust. */
  async function signer(): Promise<string | undefined> {
    const roots = (await byHand.getSecret('root-cert')).value ?? '';
    const before = (await rootsIn(api, AKS_NAMESPACE)) + roots;
    try {
      const signed = await istiodSigning(connector(api)).sample({ namespace: AKS_NAMESPACE, pod: 'istiod-0' }, before);
      if (signed.kind === 'refused') throw new Error(signed.message);
      return presentedBy(signed.chain.flatMap(certificatesIn), certificatesIn(signed.roots)).presents?.issuer;
    } catch (error) {
      // Its own certificate is signed as all others are.
      if (/unable to (get|verify)/.test(String(error))) return undefined;
      throw error;
    }
  }

  it('goes from issuer to issuer by every mixture of a pair, and loses no request with any', async () => {
    // It would go on by itself meanwhile.
    await mesh.stop();
    await driver.hold();
    const { current, settingsVersion } = await mesh.state();
    const ca = await anotherCa();
    const material: TrustMaterial = {
      mesh: 'shop',
      trustDomain: 'cluster.local',
      revision: settingsVersion + 1,
      roots: [ca.root, current?.certificate ?? ''],
      signer: { fingerprint: '', certificate: '' },
      renewWithinMs: 1_000,
      lives: { leafLifeMs: LEAF_S * 1_000, skewMs: 1_000 },
    };
    const traffic = callers.targets.map((target) => startTraffic(target, 20));
    for (const order of [
      ['ca-key.pem', 'ca-cert.pem'],
      ['ca-cert.pem', 'ca-key.pem'],
    ] as const) {
      const next = await ca.issue();
      const steps: string[] = [];
      for (;;) {
        const isHanded = (await west().signing?.signer()) === next.fingerprint;
        const answer = await west().bring(material, isHanded ? undefined : async () => next);
        if (answer.kind === 'brought') break;
        const changed = await driver.changed();
        steps.push(changed.join(' and '));
        for (const entry of changed.length === 2 ? order : changed) {
          const refusals = await said(MISMATCH);
          await driver.bring([entry]);
          if (changed.length === 2 && entry === order[0])
            await until('istiod has refused it', async () => (await said(MISMATCH)) > refusals);
          expect(await signer(), `${entry} of ${changed.join(' and ')}`).toBeDefined();
        }
      }
      expect(steps.slice(-3)).toEqual(['cert-chain.pem', 'ca-cert.pem and ca-key.pem', 'cert-chain.pem']);
      await until('it is what signs', async () => (await signer()) === next.fingerprint);
    }
    const tallies = await Promise.all(traffic.map((each) => each.stop()));
    expect(tallies.flatMap(({ failures }) => failures).slice(0, 3)).toEqual([]);
    console.log(`Two issuers by mixtures under ${tallies.reduce((sum, { requests }) => sum + requests, 0)} requests; 0 failed.`);
  }, 120_000);

  it.each([
    ['an issuer with its key comes before its chain', ['ca-cert.pem', 'ca-key.pem']],
    ['the chain comes before the issuer', ['cert-chain.pem']],
  ] as const)(
    'written at once is handed out with leafs that nobody believes where %s',
    async (_what, early) => {
      const ca = await anotherCa();
      const { certificate, key } = await ca.issue();
      const was = await Promise.all(Object.values(names).map(async (name) => [name, (await byHand.getSecret(name)).value ?? ''] as const));
      // Everybody trusts its root before anything else.
      await byHand.setSecret('root-cert', ((await byHand.getSecret('root-cert')).value ?? '') + ca.root);
      await driver.bring(['root-cert.pem']);
      for (const [name, text] of [
        ['ca-cert', certificate],
        ['ca-key', key],
        ['cert-chain', certificate],
      ] as const)
        await byHand.setSecret(name, text);
      expect(await signer()).toBeDefined();
      await driver.bring(early);
      await until('leafs are handed out that nobody believes', async () => (await signer()) === undefined);
      for (const [name, text] of was) await byHand.setSecret(name, text);
      await driver.bring((await driver.changed()).toReversed());
      await until('it is as it was', async () => (await signer()) !== undefined);
    },
    60_000,
  );

  it('loses requests by the two writes of the documentation, since nobody looks who presents what before the second', async () => {
    const ca = await anotherCa();
    const { certificate, key } = await ca.issue();
    const trusts = async (id: string) => (await members())[`west/${id}.shop`]?.trusts ?? [];
    await byHand.setSecret('root-cert', ((await byHand.getSecret('root-cert')).value ?? '') + ca.root);
    await driver.bring(['root-cert.pem']);
    for (const id of ['web', 'cart', 'catalog-1'])
      await until(`${id} trusts both`, async () => (await trusts(id)).includes(ca.fingerprint) && (await trusts(id)).length > 1);
    // A workload whose leaf is not due yet, as it is for most of a day.
    await callers.other.agent.stop();
    const second = [
      ['ca-cert', certificate],
      ['ca-key', key],
      ['cert-chain', certificate],
      ['root-cert', ca.root],
    ] as const;
    for (const [name, text] of second) await byHand.setSecret(name, text);
    await driver.bring(['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem']);
    await until('the service trusts the new one alone', async () => (await trusts('catalog-1')).join() === ca.fingerprint);
    const { failures } = await sendRequests(callers.other.to(catalog), 50);
    expect(failures).toHaveLength(50);
  }, 60_000);
});
