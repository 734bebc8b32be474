/**
 * A rotation of Linkerd's trust roots and issuer on a real API server with Linkerd's own identity: everybody is restarted in order, a proxy that is held back
 * holds the rotation, and no handshake is lost. Controllers, kubelet and proxies are played by the tests (see linkerd-pods.ts, linkerd-proxy.ts).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RESTARTED_FOR } from '../../src/dataplanes/linkerd/meshed-pods.ts';
import { until } from '../e2e/until.ts';
import { issuerEntries, type LinkerdMesh, otherAuthority, startLinkerdMesh } from './linkerd-mesh.ts';
import type { RotatingMesh } from './rotating-mesh.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('etcd', 'kube-apiserver', 'linkerd-identity');

describe.skipIf(!have)('the trust of a Linkerd mesh', () => {
  let linkerd: LinkerdMesh;
  let mesh: RotatingMesh;

  beforeAll(async () => {
    linkerd = await startLinkerdMesh();
    mesh = await linkerd.adopt();
  }, 120_000);
  afterAll(() => linkerd?.stop());

  const rotation = async () => (await mesh.state()).rotation;
  const inPhase = (name: string) => until(`it is ${name}`, async () => (await rotation())?.phase.name === name, 120_000);
  const heldBy = (words: RegExp) => until(`it is held by ${words}`, async () => words.test((await rotation())?.heldBy ?? ''), 120_000);

  it('is seen in what each proxy began with and shows, and in what identity signs', async () => {
    const seen = await linkerd.members();
    const signs = seen['west/linkerd-identity-1.linkerd/identity']?.presents?.issuer;
    expect(signs).toBeDefined();
    for (const name of ['web-1', 'catalog-1', 'cart-1', 'legacy-1']) {
      const { current } = await mesh.state();
      expect(seen[`west/${name}.shop`]).toMatchObject({ trusts: [current?.fingerprint], presents: { issuer: signs } });
      expect(seen[`west/${name}.shop`]?.trouble).toBeUndefined();
    }
  });

  it('rotates through all phases and loses no handshake, and waits for whom it cannot restart', async () => {
    const { pods } = linkerd;
    const before = (await mesh.state()).current;
    const traffic = linkerd.traffic();
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
    const { calls, failures } = await traffic.stop();
    expect(failures.slice(0, 3)).toEqual([]);
    expect(calls).toBeGreaterThan(200);
    console.log(`Rotated under ${calls} handshakes; 0 failed.`);
    expect((await mesh.state()).current?.fingerprint).not.toBe(before?.fingerprint);
    await linkerd.expectOneRoot();
    // A restart takes nothing of a Deployment but its own annotation.
    expect((await linkerd.api.admin.ask('GET', '/apis/apps/v1/namespaces/shop/deployments/web')).body).toMatchObject({
      metadata: { labels: { app: 'web' } },
      spec: { replicas: 1, template: { metadata: { labels: { app: 'web' }, annotations: { [RESTARTED_FOR]: expect.any(String) } } } },
    });
    const events = await mesh.events();
    const way = ['RotationBegun', 'AuthorityPrepared', 'DistributionBegun', 'IssuingBegun', 'SoakBegun', 'BundlePruned', 'RetirementBegun'];
    expect(events.filter((type) => [...way, 'RotationCompleted'].includes(type))).toEqual([...way, 'RotationCompleted']);
  }, 600_000);

  it('goes back from where half of them had been restarted, and loses no handshake', async () => {
    const { pods } = linkerd;
    const before = (await mesh.state()).current;
    const traffic = linkerd.traffic();
    pods.hold('cart');
    await mesh.app.rotating.rotate('shop', { id: 'rotate-2', actor: 'kim' }, { compromised: false });
    await heldBy(/Deployment shop\/cart is being restarted for the roots/);
    await mesh.app.rotating.stepIn('shop', { id: 'abort-2', actor: 'kim' }, { action: 'abort' });
    await inPhase('dropping');
    pods.release('cart');
    await until('it is undone', async () => (await rotation()) === undefined, 180_000);
    expect((await traffic.stop()).failures.slice(0, 3)).toEqual([]);
    expect((await mesh.state()).current?.fingerprint).toBe(before?.fingerprint);
    await linkerd.expectOneRoot();
  }, 400_000);

  it('is told in the words of an identity that skipped its issuer, for a root that it did not begin with', async () => {
    await mesh.stop();
    const { issuer } = await otherAuthority();
    await linkerd.write('secrets', issuerEntries(issuer));
    await until('identity says that it skipped it', async () =>
      Object.values(await linkerd.members()).some(
        ({ id, trouble = '' }) =>
          /linkerd-identity-\d+\.linkerd\/identity$/.test(id) && /IssuerUpdateSkipped: .*trust anchors/.test(trouble),
      ),
    );
  }, 60_000);

  it('loses handshakes where the roots are replaced in one write, whatever is restarted then', async () => {
    const { pods, api } = linkerd;
    const { root, issuer } = await otherAuthority();
    await linkerd.write('configmaps', { 'ca-bundle.crt': root });
    await linkerd.write('secrets', issuerEntries(issuer));
    const calling = pods.calls('web', 'catalog');
    const restart = { spec: { template: { metadata: { annotations: { restarted: 'by hand' } } } } };
    for (const [namespace, name] of [
      ['linkerd', 'linkerd-identity'],
      ['shop', 'catalog'],
    ]) {
      const path = `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`;
      expect((await api.admin.ask('PATCH', path, restart, 'application/merge-patch+json')).status).toBe(200);
    }
    await until('the service shows a leaf under the other root', async () =>
      Object.values(await linkerd.members()).some(({ id, presents }) => /\/catalog-/.test(id) && presents?.issuer === issuer.fingerprint),
    );
    const after = pods.calls('web', 'catalog');
    await until('handshakes are lost', () => after.lost() >= 10);
    const { calls, failures } = await after.stop();
    await calling.stop();
    console.log(`Roots at once: ${failures.length} of ${calls} handshakes failed, as ${failures[0]}.`);
  }, 120_000);
});
