/** Who counts in a Linkerd mesh, what is believed of them, and who is left for others to restart, by name and with what to do. */
import { describe, expect, it } from 'vitest';
import { CONFIG_MAPS, DAEMON_SETS, DEPLOYMENTS, PODS, STATEFUL_SETS } from '../../../src/dataplanes/kubernetes/kinds.ts';
import { RESTARTED_FOR } from '../../../src/dataplanes/linkerd/meshed-pods.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';
import { HOUR } from '../../trust/samples.ts';
import { linkerd, material, now, of, pem, secret } from './led-mesh.ts';
import { HOME } from './memory-mesh.ts';

const ALL_AT_ONCE = /by its rolling update all of its pods may end before others begin/;

describe('the members of a Linkerd mesh', () => {
  it('are looked at in what each proxy began with and shows, and in what identity signs with', async () => {
    const { mesh, ours, members } = await linkerd('a');
    const before = await members();
    expect(before['west/linkerd-destination-1-0.linkerd']).toMatchObject({
      trusts: [],
      trouble: expect.stringMatching(/^which roots it began with is not known/),
    });
    await ours();
    const seen = await members();
    expect(Object.keys(seen).sort()).toEqual([
      'west/cart-1-0.shop',
      'west/linkerd-destination-2-0.linkerd',
      'west/linkerd-identity-2-0.linkerd',
      'west/linkerd-identity-2-0.linkerd/identity',
      'west/linkerd-proxy-injector-2-0.linkerd',
      'west/web-1-0.shop',
    ]);
    for (const { trusts, presents, trouble } of Object.values(seen)) {
      expect(trouble).toBeUndefined();
      expect(trusts).toEqual([of('a').authority.fingerprint]);
      expect(presents?.issuer).toBe(of('a').issuer.fingerprint);
    }
    mesh.silent.add('web-1-0');
    expect((await members())['west/web-1-0.shop']).toMatchObject({
      seenAt: 0,
      trusts: [],
      mayPresentUntil: now + HOUR,
      trouble: expect.stringMatching(/could not be asked/),
    });
  });

  it('are known of a control plane that began long after its roots were written, and not of one that began before', async () => {
    const { mesh, members } = await linkerd('a');
    const destination = async () => Object.values(await members()).find(({ id }) => id.includes('linkerd-destination'));
    expect((await destination())?.trusts).toEqual([]);
    mesh.now += HOUR;
    // As a rollout that is undone brings back.
    const template = { metadata: { annotations: { [RESTARTED_FOR]: of('b').authority.fingerprint } } };
    mesh.put(DEPLOYMENTS, { metadata: { namespace: HOME, name: 'linkerd-destination' }, spec: { template } });
    await mesh.settle();
    await mesh.renew();
    expect(await destination()).toMatchObject({ trusts: [of('a').authority.fingerprint] });
    expect((await destination())?.trouble).toBeUndefined();
    mesh.put(CONFIG_MAPS, { metadata: { namespace: HOME, name: 'linkerd-identity-trust-roots' }, data: { 'ca-bundle.crt': pem('ab') } });
    expect((await destination())?.trusts).toEqual([of('b').authority.fingerprint]);
  });

  it('stay known of a control plane that was installed after its roots, when another decision says the same', async () => {
    const { mesh, trust, lead, members, clock } = await linkerd('');
    await trust.bring(material('a', 1), async () => of('a').issuer);
    clock.now += HOUR;
    mesh.now = clock.now;
    for (const component of ['identity', 'destination']) await mesh.place({ namespace: HOME, name: `linkerd-${component}`, component });
    await mesh.renew();
    for (const revision of [1, 2]) {
      expect((await lead(material('a', revision))).brought).toBe(true);
      expect(Object.values(await members()).map(({ trouble }) => trouble)).toEqual([undefined, undefined, undefined]);
    }
  });

  it('are no longer those of a pod that is ending: nothing is restarted for it, and it is waited for', async () => {
    const { mesh, ours, lead, members } = await linkerd('a');
    await ours();
    const env = [{ name: 'LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS', value: pem('c') }];
    const metadata = { namespace: 'shop', name: 'web-1-0', deletionTimestamp: new Date(now).toISOString() };
    mesh.put(PODS, { metadata, spec: { containers: [{ name: 'linkerd-proxy', env }] } });
    expect((await lead(material('a', 2))).brought).toBe(true);
    expect(mesh.writes.filter((each) => each.includes('shop/'))).toEqual([]);
    expect((await members())['west/web-1-0.shop']).toMatchObject({ trusts: [of('c').authority.fingerprint], trouble: 'it is ending' });
  });

  it('are looked at by the words of an identity that did not take its issuer', async () => {
    const { mesh, ours, members } = await linkerd('a');
    await ours();
    secret(mesh, 'b');
    mesh.reload();
    expect((await members())['west/linkerd-identity-2-0.linkerd/identity']).toMatchObject({
      presents: { issuer: of('a').issuer.fingerprint },
      trouble: expect.stringMatching(
        /^it signs with another issuer than linkerd-identity-issuer has; IssuerUpdateSkipped: .*unknown authority$/,
      ),
    });
  });

  it('hold a rotation where identity gives leafs that live longer than the spec says', async () => {
    const { mesh, ours, members } = await linkerd('a');
    await ours();
    mesh.leafLifeMs = 24 * HOUR;
    const { trouble } = (await members())['west/linkerd-identity-2-0.linkerd/identity'] ?? {};
    expect(trouble).toBe(
      "it gives leafs of 86400 s, which is longer than the spec's leafLife: say the same there and in identity.issuer.issuanceLifetime",
    );
  });

  it('are not believed of a proxy that shows the leaf of another', async () => {
    const { mesh, ours, members } = await linkerd('a');
    await ours();
    mesh.swap('web-1-0', 'cart-1-0');
    expect((await members())['west/web-1-0.shop']?.trouble).toBe(
      'it shows a leaf that is not of web.shop.serviceaccount.identity.linkerd.cluster.local',
    );
  });

  it('are not those of a pod that has not begun, and would with others', async () => {
    const { mesh, ours, lead, members } = await linkerd('a');
    await ours();
    await mesh.place({ namespace: 'shop', name: 'late', kind: null });
    mesh.pend('late-0-0');
    expect(Object.keys(await members())).not.toContain('west/late-0-0.shop');
    await lead(material('ab'));
    expect((await members())['west/late-0-0.shop']).toMatchObject({
      trusts: [of('a').authority.fingerprint],
      trouble: expect.stringMatching(/replace it$/),
    });
  });

  it.each<[string, { kind?: typeof DEPLOYMENTS | null; spec?: JsonObject }, RegExp]>([
    ['nothing makes anew', { kind: null }, /nothing would make it anew: replace it$/],
    ['a Recreate would end at once', { spec: { strategy: { type: 'Recreate' } } }, /all of its pods end before others begin: restart it/],
    ['is alone and has no surge', { spec: { strategy: { rollingUpdate: { maxSurge: 0 } } } }, ALL_AT_ONCE],
    ['is alone and may end before another is ready', { spec: { strategy: { rollingUpdate: { maxUnavailable: 1 } } } }, ALL_AT_ONCE],
    ['may end with all of its like', { spec: { replicas: 2, strategy: { rollingUpdate: { maxUnavailable: '100%' } } } }, ALL_AT_ONCE],
    ['is paused', { spec: { paused: true } }, /since it is paused/],
    ['is alone in a StatefulSet', { kind: STATEFUL_SETS }, ALL_AT_ONCE],
    [
      'is below the partition of its StatefulSet',
      { kind: STATEFUL_SETS, spec: { replicas: 2, updateStrategy: { rollingUpdate: { partition: 1 } } } },
      /partition, below which its pods stay/,
    ],
    [
      'stays until somebody deletes it',
      { kind: DAEMON_SETS, spec: { updateStrategy: { type: 'OnDelete' } } },
      /its pods stay until somebody deletes them/,
    ],
    [
      'comes from a Job',
      { kind: { apiVersion: 'batch/v1', kind: 'Job', plural: 'jobs' } },
      /comes from Job late, which is not restarted here/,
    ],
  ])('never end a pod that %s: it is named, with what to do', async (_what, placed, trouble) => {
    const { mesh, ours, lead, members } = await linkerd('a');
    await mesh.place({ namespace: 'shop', name: 'late', ...placed });
    await ours();
    expect((await lead(material('ab'))).brought).toBe(true);
    expect(mesh.writes.filter((each) => each.endsWith('shop/late'))).toEqual([]);
    const late = Object.values(await members()).filter(({ id }) => id.includes('/late-'));
    expect(late.length).toBeGreaterThan(0);
    for (const { trusts, trouble: said } of late) {
      expect(trusts).toEqual([of('a').authority.fingerprint]);
      expect(said).toMatch(trouble);
    }
    for (const { id, trouble: said } of Object.values(await members())) if (!id.includes('/late-')) expect(said).toBeUndefined();
  });

  it('do not restart for ever whose template has roots of its own', async () => {
    const { mesh, ours, lead, members } = await linkerd('a');
    await mesh.place({ namespace: 'shop', name: 'manual', manual: pem('a') });
    await ours();
    expect((await lead(material('ab'))).brought).toBe(true);
    expect((await lead(material('ab'))).brought).toBe(true);
    expect(mesh.writes.filter((each) => each === 'Deployment shop/manual')).toHaveLength(1);
    const [manual] = Object.values(await members()).filter(({ id }) => id.includes('/manual-'));
    expect(manual?.trouble).toMatch(/was restarted for the roots and began with other ones again.*linkerd inject --manual/);
  });
});
