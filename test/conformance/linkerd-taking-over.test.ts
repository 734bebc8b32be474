/** A Linkerd mesh that has an authority of its own is led to the mesh's, on a real API server with Linkerd's own identity: nobody is without a believed leaf meanwhile. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../e2e/until.ts';
import { type LinkerdMesh, type OtherAuthority, otherAuthority, startLinkerdMesh } from './linkerd-mesh.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('etcd', 'kube-apiserver', 'linkerd-identity');

describe.skipIf(!have)('a Linkerd mesh with an authority of its own', () => {
  let linkerd: LinkerdMesh;
  let before: OtherAuthority;

  beforeAll(async () => {
    before = await otherAuthority();
    linkerd = await startLinkerdMesh(before);
  }, 120_000);
  afterAll(() => linkerd?.stop());

  it('comes to that of meshwright without a lost handshake, and waits for whom it cannot restart', async () => {
    const traffic = linkerd.traffic();
    const mesh = await linkerd.adopt();
    const signs = async () => Object.values(await linkerd.members()).find(({ id }) => id.endsWith('/identity'))?.presents?.issuer;
    const waiting = (words: RegExp) => until(`it says ${words}`, async () => words.test((await linkerd.owed()) ?? ''), 120_000);
    await waiting(/^Identity is not given the mesh's issuer before all trust it: legacy-1\.shop began with other roots/);
    expect(await signs()).toBe(before.issuer.fingerprint);
    await linkerd.pods.bare('shop', 'legacy');
    await until(
      'identity signs with the issuer of the mesh',
      async () => {
        const now = await signs();
        return now !== undefined && now !== before.issuer.fingerprint;
      },
      120_000,
    );
    await until(
      'everybody was restarted with the root of the mesh alone',
      async () => {
        const { current } = await mesh.state();
        return Object.values(await linkerd.members()).every(
          ({ id, trusts }) => id.includes('/legacy-') || trusts.join() === current?.fingerprint,
        );
      },
      180_000,
    );
    await until('it is brought', async () => (await linkerd.owed()) === undefined, 120_000);
    await linkerd.pods.bare('shop', 'legacy');
    const { calls, failures } = await traffic.stop();
    expect(failures.slice(0, 3)).toEqual([]);
    console.log(`Led to another authority under ${calls} handshakes; 0 failed.`);
    await linkerd.expectOneRoot();
  }, 500_000);
});
