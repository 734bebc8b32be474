/**
 * A rotation of Linkerd's trust roots and issuer on a real API server with Linkerd's own identity: everybody is restarted in order, a proxy that is held back
 * holds the rotation, and no handshake is lost. Controllers, kubelet and proxies are played by the tests (see linkerd-pods.ts, linkerd-proxy.ts).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linkerdIdentity } from '../../src/adapters/linkerd-identity.ts';
import { linkerdDataPlane } from '../../src/dataplanes/linkerd/data-plane.ts';
import { linkerdTrust } from '../../src/dataplanes/linkerd/trust.ts';
import { signsUnder } from '../../src/trust/certificates.ts';
import { until } from '../e2e/until.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { tokenOfTheDocs } from './documented-roles.ts';
import { connector } from './kubernetes-connector.ts';
import { LINKERD_NAMESPACE } from './linkerd-identity.ts';
import { type LinkerdPods, linkerdPods } from './linkerd-pods.ts';
import { type RotatingMesh, rotatingMesh } from './rotating-mesh.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('etcd', 'kube-apiserver', 'linkerd-identity');

const LEAF_S = 20;
const SPEC = `apiVersion: meshwright.dev/v1
kind: Mesh
name: shop
dataPlanes:
  - { name: west, kind: linkerd, cluster: { kubeconfigSetting: WEST } }
certificates: { leafLife: ${LEAF_S}s, issuerLife: ${20 * LEAF_S}s, rootLife: 10h }
`;

describe.skipIf(!have)('the trust of a Linkerd mesh', () => {
  let api: ApiServer;
  let documented: string;
  let mesh: RotatingMesh;
  let pods: LinkerdPods;

  /** As whom the docs say. */
  const west = () => {
    const cluster = connector(api, documented);
    const lives = { leafLifeMs: LEAF_S * 1_000, skewMs: LEAF_S * 250 };
    const place = { dataPlane: 'west', controlPlaneNamespace: LINKERD_NAMESPACE, takeOver: false };
    return linkerdTrust({ ...place, cluster, identity: linkerdIdentity(cluster), lives, now: Date.now });
  };

  beforeAll(async () => {
    api = await startApiServer();
    for (const namespace of [LINKERD_NAMESPACE, 'shop']) await api.namespace(namespace);
    await api.admin.mustApply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: LINKERD_NAMESPACE, name: 'default' } });
    documented = await tokenOfTheDocs(api, 'linkerd.md', 'Certificates');
    mesh = await rotatingMesh(
      { mesh: 'shop', spec: SPEC },
      {
        dataPlane: (documents) => linkerdDataPlane({ cluster: connector(api), documents, takeOver: false, observe: true }),
        trust: west,
      },
    );
    pods = await linkerdPods(api, { leafSeconds: LEAF_S });
    for (const component of ['identity', 'destination', 'proxy-injector'])
      await pods.deploy(LINKERD_NAMESPACE, `linkerd-${component}`, component);
    for (const name of ['web', 'catalog', 'cart']) await pods.deploy('shop', name);
    await pods.bare('shop', 'legacy');
  }, 120_000);
  afterAll(async () => {
    for (const each of [mesh, pods, api]) await each?.stop();
  });

  const members = async () => Object.fromEntries((await west().look('shop', Date.now())).map((each) => [each.id, each]));
  const rotation = async () => (await mesh.state()).rotation;
  const inPhase = (name: string) => until(`it is ${name}`, async () => (await rotation())?.phase.name === name, 120_000);
  const heldBy = (words: RegExp) => until(`it is held by ${words}`, async () => words.test((await rotation())?.heldBy ?? ''), 120_000);
  const traffic = () => [
    pods.calls('web', 'catalog'),
    pods.calls('cart', 'catalog'),
    pods.calls('web', 'legacy'),
    pods.calls('legacy', 'cart'),
  ];
  async function allUnderOne(): Promise<void> {
    const { current } = await mesh.state();
    const seen = Object.values(await members());
    expect(seen).toHaveLength(8);
    for (const { trusts, presents, trouble } of seen) {
      expect(trouble).toBeUndefined();
      expect(trusts).toEqual([current?.fingerprint]);
      expect(current && presents && signsUnder(current, presents.issuer)).toBe(true);
    }
  }

  it('is seen in what each proxy began with and shows, and in what identity signs', async () => {
    await until('identity has begun as meshwright knows it', async () => (await members())['west/linkerd-identity-1.linkerd/identity']);
    const seen = await members();
    expect(seen['west/web-1.shop']?.trouble).toBeUndefined();
    expect(seen['west/web-1.shop']?.presents?.issuer).toBe(seen['west/linkerd-identity-1.linkerd/identity']?.presents?.issuer);
  });

  it('rotates through all phases and loses no handshake, and waits for whom it cannot restart', async () => {
    const before = (await mesh.state()).current;
    const calling = traffic();
    pods.hold('cart');
    await mesh.app.rotating.rotate('shop', { id: 'rotate-1', actor: 'kim' }, { compromised: false });
    await heldBy(/west could not be looked at: Deployment shop\/cart is being restarted for the roots/);
    pods.release('cart');
    await heldBy(/^1 of 8 are behind: west\/legacy-1\.shop \(it began with other roots and nothing would make it anew: replace it\)/);
    expect((await rotation())?.phase.name).toBe('distributing');
    await pods.bare('shop', 'legacy');
    await heldBy(/west\/legacy-2\.shop \(.*replace it\)/);
    expect((await rotation())?.phase.name).toBe('pruned');
    await pods.bare('shop', 'legacy');
    await until('the rotation has ended', async () => (await rotation()) === undefined, 180_000);
    const tallies = await Promise.all(calling.map((each) => each.stop()));
    expect(tallies.flatMap(({ failures }) => failures).slice(0, 3)).toEqual([]);
    const calls = tallies.reduce((sum, each) => sum + each.calls, 0);
    expect(calls).toBeGreaterThan(200);
    console.log(`Rotated under ${calls} handshakes; 0 failed.`);
    expect((await mesh.state()).current?.fingerprint).not.toBe(before?.fingerprint);
    await allUnderOne();
    const events = await mesh.events();
    const way = ['RotationBegun', 'AuthorityPrepared', 'DistributionBegun', 'IssuingBegun', 'SoakBegun', 'BundlePruned', 'RetirementBegun'];
    expect(events.filter((type) => [...way, 'RotationCompleted'].includes(type))).toEqual([...way, 'RotationCompleted']);
  }, 600_000);

  it('goes back from where half of them had been restarted, and loses no handshake', async () => {
    const before = (await mesh.state()).current;
    const calling = traffic();
    pods.hold('cart');
    await mesh.app.rotating.rotate('shop', { id: 'rotate-2', actor: 'kim' }, { compromised: false });
    await heldBy(/Deployment shop\/cart is being restarted for the roots/);
    await mesh.app.rotating.stepIn('shop', { id: 'abort-2', actor: 'kim' }, { action: 'abort' });
    await inPhase('dropping');
    pods.release('cart');
    await until('it is undone', async () => (await rotation()) === undefined, 180_000);
    const tallies = await Promise.all(calling.map((each) => each.stop()));
    expect(tallies.flatMap(({ failures }) => failures).slice(0, 3)).toEqual([]);
    expect((await mesh.state()).current?.fingerprint).toBe(before?.fingerprint);
    await allUnderOne();
  }, 400_000);
});
