/**
 * A rotation of an Istio mesh's CA on real istiod, with real Envoys that open a new mTLS connection for every request: by the app's own phases
 * nothing is lost, whatever one agent takes its time for; with roots and issuer in one write, requests are.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { istiodSigning } from '../../src/adapters/istiod-signing.ts';
import { istioDataPlane } from '../../src/dataplanes/istio/data-plane.ts';
import { istioTrust } from '../../src/dataplanes/istio/trust.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import { signsUnder } from '../../src/trust/certificates.ts';
import { sendRequests, startTraffic, type Target } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { anotherCa } from '../trust/another-ca.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { tokenOfTheDocs } from './documented-roles.ts';
import { catalog, type FreshCallers, freshCallers } from './istio-callers.ts';
import type { IstioCaller } from './istio-envoys.ts';
import { type MeshPods, meshPods } from './istio-mesh-pods.ts';
import { ISTIO_NAMESPACE, type Istiod, startIstiod } from './istiod.ts';
import { connector } from './kubernetes-connector.ts';
import { type RotatingMesh, rotatingMesh } from './rotating-mesh.ts';
import { type SecretVolume, secretVolume } from './secret-volume.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;

const LEAF_S = 20;
const MULTI_ROOT = { ISTIO_MULTIROOT_MESH: 'true' };
const SPEC = `apiVersion: meshwright.dev/v1
kind: Mesh
name: shop
trustDomain: cluster.local
dataPlanes:
  - { name: west, kind: istio, cluster: { kubeconfigSetting: WEST }, controlPlaneNamespace: ${ISTIO_NAMESPACE} }
certificates: { leafLife: ${LEAF_S}s, issuerLife: ${4 * LEAF_S}s, rootLife: 10h }
`;

describe.skipIf(!have)('the CA of an Istio mesh', () => {
  let api: ApiServer;
  let documented: string;
  let mesh: RotatingMesh;
  let volume: SecretVolume;
  let istiod: Istiod;
  let pods: MeshPods;
  let callers: FreshCallers;
  let other: IstioCaller;
  let targets: readonly Target[];

  /** As whom the docs say; `token`: as somebody else. */
  const west = (token = documented) => {
    const cluster = connector(api, token);
    const place = { dataPlane: 'west', controlPlaneNamespace: ISTIO_NAMESPACE, leafLifeMs: LEAF_S * 1_000 };
    return istioTrust({ cluster, signing: istiodSigning(cluster), takeOver: false, ...place });
  };

  beforeAll(async () => {
    api = await startApiServer('istio');
    await api.namespace(ISTIO_NAMESPACE);
    await api.admin.mustApply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: ISTIO_NAMESPACE, name: 'default' } });
    documented = await tokenOfTheDocs(api, 'istio.md', 'Certificates');
    mesh = await rotatingMesh(
      { mesh: 'shop', spec: SPEC },
      {
        dataPlane: (documents) =>
          istioDataPlane({ cluster: connector(api), documents, controlPlaneNamespace: ISTIO_NAMESPACE, takeOver: false, observe: true }),
        trust: () => west(),
      },
    );
    volume = await secretVolume(api, ISTIO_NAMESPACE, 'cacerts');
    istiod = await startIstiod(api, { environment: { ...MULTI_ROOT, ROOT_CA_DIR: volume.folder } });
    pods = await meshPods(api, istiod, MULTI_ROOT);
    callers = await freshCallers(api, istiod, pods, LEAF_S);
    ({ other, targets } = callers);
  }, 120_000);
  afterAll(async () => {
    for (const each of [mesh, pods, callers, istiod, volume, api]) await each?.stop();
  });

  const members = async () => Object.fromEntries((await west().look('shop', Date.now())).map((each) => [each.id, each]));
  const phase = async () => (await mesh.state()).rotation?.phase.name;
  const inPhase = (name: string) => until(`it is ${name}`, async () => (await phase()) === name, 90_000);

  it('is seen in what istiod gives out and in what every proxy has loaded', async () => {
    const { current } = await mesh.state();
    const seen = await members();
    expect(Object.keys(seen).sort()).toEqual(['west/cart.shop', 'west/catalog-1.shop', 'west/istiod-0.istio-system', 'west/web.shop']);
    for (const { trusts, presents, trouble } of Object.values(seen)) {
      expect(trouble).toBeUndefined();
      expect(trusts).toEqual([current?.fingerprint]);
      expect(current && presents && signsUnder(current, presents.issuer)).toBe(true);
    }
    expect(seen['west/web.shop']?.identity).toBe('spiffe://cluster.local/ns/shop/sa/web');
  });

  it('is not known of a pod that cannot be asked, and of a proxy that is no pod', async () => {
    await pods.proxy('ghost', 'shop', { adminPort: 0 });
    const vm = await callers.envoys.caller('vm', 'shop', catalog.port);
    const seen = await until('both are seen', async () => {
      const all = await members();
      return all['west/vm.shop'] && all;
    });
    for (const [id, trouble] of [
      ['west/ghost.shop', /could not be asked/],
      ['west/vm.shop', /is no pod whose proxy could be asked/],
    ] as const) {
      expect(seen[id]).toMatchObject({ trusts: [], seenAt: 0, trouble: expect.stringMatching(trouble) });
      expect(seen[id]?.mayPresentUntil).toBeGreaterThan(Date.now());
    }
    await vm.agent.stop();
    await vm.envoy.stop();
    await api.admin.ask('DELETE', '/api/v1/namespaces/shop/pods/ghost?gracePeriodSeconds=0');
    await until('both are gone', async () => Object.keys(await members()).length === 4);
  });

  it('is not known without the permissions, which are named', async () => {
    const blind = west(await api.user('sees-nothing', [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }]));
    await expect(blind.look('shop', Date.now())).rejects.toThrow(/secrets "cacerts" is forbidden/);
    const rules = [
      { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
      { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: ['get'] },
      { apiGroups: [''], resources: ['pods/portforward'], verbs: ['get', 'create'] },
    ];
    const seen = await west(await api.user('signs-nothing', rules)).look('shop', Date.now());
    expect(seen.find(({ kind }) => kind === 'control-plane')).toMatchObject({
      trouble: expect.stringMatching(/token of the service account/),
    });
  });

  it('rotates through all phases and loses no request, though one agent hears late of the new root', async () => {
    const before = (await mesh.state()).current;
    const shaken = await callers.handshakes();
    const traffic = targets.map((target) => startTraffic(target, 40));
    other.agent.hold();
    await mesh.app.rotating.rotate('shop', { id: 'rotate-1', actor: 'kim' }, { compromised: false });
    await inPhase('distributing');
    await until('it waits for cart alone', async () =>
      /^1 of 4 are behind: west\/cart\.shop/.test((await mesh.state()).rotation?.heldBy ?? ''),
    );
    other.agent.release();
    await until('the rotation has ended', async () => (await mesh.state()).rotation === undefined, 150_000);
    const tallies = await Promise.all(traffic.map((each) => each.stop()));
    const after = (await mesh.state()).current;
    expect(tallies.flatMap(({ failures }) => failures).slice(0, 3)).toEqual([]);
    const sent = tallies.reduce((sum, { requests }) => sum + requests, 0);
    expect(sent).toBeGreaterThan(200);
    expect((await callers.handshakes()) - shaken).toBeGreaterThanOrEqual(sent);
    console.log(`Rotated under ${sent} requests, each over an mTLS connection of its own; 0 failed.`);
    expect(after?.fingerprint).not.toBe(before?.fingerprint);
    for (const { trusts, presents } of Object.values(await members())) {
      expect(trusts).toEqual([after?.fingerprint]);
      expect(after && presents && signsUnder(after, presents.issuer)).toBe(true);
    }
    const events = await mesh.events();
    const way = ['RotationBegun', 'AuthorityPrepared', 'DistributionBegun', 'IssuingBegun', 'SoakBegun', 'BundlePruned', 'RetirementBegun'];
    expect(events.filter((type) => [...way, 'RotationCompleted'].includes(type))).toEqual([...way, 'RotationCompleted']);
  }, 240_000);

  it('goes on under another issuer of the same root when half of its life is over, and loses no request', async () => {
    const { current } = await mesh.state();
    const traffic = targets.map((target) => startTraffic(target, 40));
    const handed = async () => (await mesh.state()).current?.delegated ?? [];
    await until('it was handed another', async () => (await handed()).length > 1);
    await until('every leaf is under the newest', async () => {
      const [newest] = await handed();
      return Object.values(await members()).every(({ presents }) => presents?.issuer === newest?.fingerprint);
    });
    const tallies = await Promise.all(traffic.map((each) => each.stop()));
    expect(tallies.flatMap(({ failures }) => failures).slice(0, 3)).toEqual([]);
    expect((await mesh.state()).current?.fingerprint).toBe(current?.fingerprint);
  }, 240_000);

  it('goes back from where both roots have signed, and loses no request', async () => {
    const before = (await mesh.state()).current;
    const traffic = targets.map((target) => startTraffic(target, 40));
    await mesh.app.rotating.rotate('shop', { id: 'rotate-2', actor: 'kim' }, { compromised: false });
    await inPhase('soaking');
    await mesh.app.rotating.stepIn('shop', { id: 'abort-2', actor: 'kim' }, { action: 'abort' });
    await until('it is undone', async () => (await mesh.state()).rotation === undefined, 150_000);
    const tallies = await Promise.all(traffic.map((each) => each.stop()));
    expect(tallies.flatMap(({ failures }) => failures).slice(0, 3)).toEqual([]);
    expect((await mesh.state()).current?.fingerprint).toBe(before?.fingerprint);
    for (const { trusts, presents } of Object.values(await members())) {
      expect(trusts).toEqual([before?.fingerprint]);
      expect(before && presents && signsUnder((await mesh.state()).current ?? before, presents.issuer)).toBe(true);
    }
  }, 240_000);

  it('loses requests where roots and issuer change in one write', async () => {
    // It would put things right meanwhile.
    await mesh.stop();
    const { issuer, data } = await handMade((await mesh.state()).current?.certificate ?? '');
    other.agent.hold();
    const path = `/api/v1/namespaces/${ISTIO_NAMESPACE}/secrets/cacerts`;
    expect((await api.admin.ask('PATCH', path, { data }, 'application/merge-patch+json')).status).toBe(200);
    const presented = async () => (await members())['west/catalog-1.shop']?.presents?.issuer;
    await until('the service presents a leaf under the new root', async () => (await presented()) === issuer);
    const { failures } = await sendRequests(other.to(catalog), 50);
    expect(failures.length).toBeGreaterThan(0);
    const unverified = (await other.envoy.stats(/^cluster\..*ssl\.fail_verify_error$/)).values();
    expect(Math.max(...unverified)).toBeGreaterThan(0);
    console.log(`Roots and issuer at once: ${failures.length} of 50 requests failed.`);
    other.agent.release();
    await until('it hears of it', async () => (await sendRequests(other.to(catalog), 20)).failures.length === 0);
  }, 120_000);
});

/** What somebody would write who changes everything at once: another root beside `root`, and an issuer under it. */
async function handMade(root: string): Promise<{ readonly issuer: string; readonly data: JsonObject }> {
  const ca = await anotherCa();
  const { fingerprint, certificate, key } = await ca.issue();
  const entries = { 'ca-cert.pem': certificate, 'ca-key.pem': key, 'cert-chain.pem': certificate, 'root-cert.pem': root + ca.root };
  const data = Object.fromEntries(Object.entries(entries).map(([entry, text]) => [entry, Buffer.from(text).toString('base64')]));
  return { issuer: fingerprint, data };
}
