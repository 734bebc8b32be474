/** The trust roots and the issuer of a Linkerd mesh: what is written and restarted, in which order, what is waited for, and what is refused. */
import { describe, expect, it } from 'vitest';
import { CONFIG_MAPS, DEPLOYMENTS, SECRETS } from '../../../src/dataplanes/kubernetes/kinds.ts';
import { HOUR } from '../../trust/samples.ts';
import { base64, ISSUER, linkerd, material, of, pem, RESTARTED_CONTROL_PLANE, ROOTS, read, secret } from './led-mesh.ts';
import { HOME } from './memory-mesh.ts';

describe('the trust roots and the issuer of Linkerd', () => {
  it('are made where there are none, before Linkerd is installed', async () => {
    const { mesh, trust } = await linkerd('');
    expect(await trust.signing?.signer()).toBeUndefined();
    expect(await trust.bring(material('a'), async () => of('a').issuer)).toEqual({ kind: 'brought' });
    expect(mesh.writes).toEqual([ROOTS, ISSUER]);
    expect(read(mesh.anchors())).toBe('a');
    expect(await trust.signing?.signer()).toBe(of('a').issuer.fingerprint);
  });

  it('reach the control plane in its order, and workloads after it, when a root is added', async () => {
    const { mesh, lead, ours, has } = await linkerd('a');
    await ours();
    const { brought } = await lead(material('ab'));
    expect(brought).toBe(true);
    expect(mesh.writes).toEqual([ROOTS, ...RESTARTED_CONTROL_PLANE, 'Deployment shop/web', 'Deployment shop/cart']);
    expect(has('web', 'cart', 'linkerd-identity')).toEqual(['ab', 'ab', 'ab']);
    mesh.writes.length = 0;
    expect(await lead(material('ab'))).toEqual({ brought: true, said: [] });
    expect(mesh.writes).toEqual([]);
  });

  it('wait for each part of the control plane before the next is restarted', async () => {
    const { mesh, lead, ours } = await linkerd('a');
    await ours();
    const { said } = await lead(material('ab'), undefined, { stuck: ['linkerd-destination'] });
    expect(said.at(-1)).toBe('Deployment linkerd/linkerd-destination of the control plane is being rolled out.');
    expect(mesh.writes).toEqual([ROOTS, ...RESTARTED_CONTROL_PLANE.slice(0, 2)]);
    expect((await lead(material('ab'))).brought).toBe(true);
  });

  it('reach a tenth of the workloads at once, three at least, and others only when those are available', async () => {
    const workloads = Array.from({ length: 8 }, (_, index) => `w${index}`);
    const { mesh, lead, ours, has } = await linkerd('a', 'a', { workloads });
    await ours();
    const stuck = workloads.slice(0, 3);
    const { said } = await lead(material('ab'), undefined, { stuck });
    expect(mesh.writes.filter((each) => each.includes('shop/'))).toEqual(stuck.map((each) => `Deployment shop/${each}`));
    expect(said.at(-1)).toBe(
      'Deployment shop/w0, Deployment shop/w1, Deployment shop/w2 are being restarted for the roots; 5 more workloads have other roots.',
    );
    expect((await lead(material('ab'))).brought).toBe(true);
    expect(new Set(has(...workloads))).toEqual(new Set(['ab']));
  });

  it('do not reach a workload that somebody else is rolling out before that is over', async () => {
    const { mesh, lead, ours } = await linkerd('a');
    await ours();
    mesh.put(DEPLOYMENTS, { metadata: { namespace: 'shop', name: 'cart' }, spec: { template: { spec: { image: 'next' } } } });
    const { said } = await lead(material('ab'), undefined, { stuck: ['cart'] });
    expect(said.at(-1)).toBe('Deployment shop/cart is being rolled out; 1 more workload has other roots.');
    expect(mesh.writes).not.toContain('Deployment shop/cart');
  });

  it('change the issuer once identity has begun with the root above it, and the old root goes after that', async () => {
    const { mesh, lead, ours, has } = await linkerd('a');
    await ours();
    await lead(material('ab', 5));
    mesh.writes.length = 0;
    expect((await lead(material('ba', 6), 'b')).brought).toBe(true);
    expect(mesh.writes).toEqual([ROOTS, ISSUER]);
    mesh.writes.length = 0;
    expect((await lead(material('b', 7), 'b')).brought).toBe(true);
    expect(mesh.writes).toEqual([ROOTS, ...RESTARTED_CONTROL_PLANE, 'Deployment shop/web', 'Deployment shop/cart']);
    expect(has('web', 'cart')).toEqual(['b', 'b']);
  });

  it('are never brought an issuer that identity would skip, though both change at once', async () => {
    const { mesh, lead, ours } = await linkerd('a');
    await ours();
    expect((await lead(material('b', 6), 'b')).brought).toBe(true);
    expect(mesh.writes.slice(0, 6)).toEqual([ROOTS, ...RESTARTED_CONTROL_PLANE, ISSUER, 'Deployment shop/web']);
    expect(read(mesh.anchors())).toBe('b');
    expect(mesh.skipped()).toBe(0);
  });

  it('have an issuer first where the one of before has ended: identity would not begin under it', async () => {
    const { mesh, lead, ours, clock } = await linkerd('a');
    await ours();
    clock.now += 30 * 24 * HOUR;
    expect((await lead(material('b', 6), 'b')).brought).toBe(true);
    expect(mesh.writes.slice(0, 3)).toEqual([ROOTS, ISSUER, RESTARTED_CONTROL_PLANE[0]]);
  });

  it('reach a part of the control plane, and a workload, that cannot begin with what they have', async () => {
    const { mesh, trust, lead, ours } = await linkerd('a');
    await ours();
    const broken = { spec: { template: { spec: { image: 'broken' } } } };
    const place = { namespace: HOME, name: 'linkerd-identity' };
    mesh.put(DEPLOYMENTS, { metadata: place, ...broken });
    mesh.put(DEPLOYMENTS, { metadata: { namespace: 'shop', name: 'cart' }, ...broken });
    mesh.giveUp('shop', 'cart');
    expect(await trust.bring(material('ab'))).toMatchObject({
      message: 'Deployment linkerd/linkerd-identity is being restarted for the roots.',
    });
    expect(mesh.writes).toEqual([ROOTS, 'Deployment linkerd/linkerd-identity']);
    const { said } = await lead(material('ab'), undefined, { stuck: ['cart'] });
    expect(mesh.writes).toContain('Deployment shop/cart');
    expect(said.at(-1)).toMatch(/^Deployment shop\/cart is being restarted/);
  });

  it('change the issuer though a workload does not come up, where it was decided to go past it', async () => {
    const { mesh, lead, ours } = await linkerd('a');
    await ours();
    await lead(material('ab', 5), undefined, { stuck: ['cart'] });
    expect(mesh.writes).not.toContain(ISSUER);
    const { said } = await lead(material('ba', 6), 'b', { stuck: ['cart'] });
    expect(mesh.writes).toContain(ISSUER);
    expect(said.at(-1)).toMatch(/^Deployment shop\/cart is being restarted/);
  });

  it('go back to where they were, by restarting only who had been restarted', async () => {
    const workloads = Array.from({ length: 5 }, (_, index) => `w${index}`);
    const { mesh, lead, ours, has } = await linkerd('a', 'a', { workloads });
    await ours();
    await lead(material('ab', 6), undefined, { stuck: ['w2'], tries: 5 });
    const begun = workloads.filter((each) => has(each)[0] === 'ab');
    expect(begun.length).toBeGreaterThan(0);
    mesh.writes.length = 0;
    expect((await lead(material('a', 7))).brought).toBe(true);
    const restarted = mesh.writes.filter((each) => each.includes('shop/')).map((each) => each.slice('Deployment shop/'.length));
    expect(restarted.filter((each) => each !== 'w2').sort()).toEqual(begun.sort());
    expect(new Set(has(...workloads))).toEqual(new Set(['a']));
  });

  it('keep the form of the Secret that is there', async () => {
    const { mesh, lead, ours } = await linkerd('a');
    secret(mesh, 'a', ['crt.pem', 'key.pem']);
    await ours();
    await lead(material('ab', 5));
    await lead(material('ba', 6), 'b');
    const got = await mesh.get(SECRETS, { namespace: HOME, name: 'linkerd-identity-issuer' });
    expect(got).toMatchObject({
      object: { type: 'Opaque', data: { 'crt.pem': base64(of('b').issuer.certificate), 'key.pem': base64(of('b').issuer.key) } },
    });
  });

  describe('of an authority of before', () => {
    it('are led to those of the mesh without a moment in which somebody is not believed', async () => {
      const { mesh, lead, has } = await linkerd('c', 'c');
      expect((await lead(material('a'), 'a')).brought).toBe(true);
      const all = [...RESTARTED_CONTROL_PLANE, 'Deployment shop/web', 'Deployment shop/cart'];
      expect(mesh.writes).toEqual([ROOTS, ...all, ISSUER, ROOTS, ...all]);
      expect(has('web', 'cart', 'linkerd-identity')).toEqual(['a', 'a', 'a']);
      expect(mesh.skipped()).toBe(0);
    });

    it('wait with the issuer for a pod that nothing restarts, by name', async () => {
      const { mesh, lead } = await linkerd('c', 'c');
      await mesh.place({ namespace: 'shop', name: 'alone', kind: null });
      const { said } = await lead(material('a'), 'a');
      expect(said.at(-1)).toMatch(/^Identity is not given the mesh's issuer before all trust it: alone-0-0\.shop began with other roots/);
      expect(mesh.writes).not.toContain(ISSUER);
    });

    it('stay trusted for as long as somebody has a leaf under them', async () => {
      const { mesh, lead } = await linkerd('c', 'c');
      const { said } = await lead(material('a'), 'a', { late: ['cart'] });
      expect(mesh.writes.at(-1)).toBe(ISSUER);
      expect(said.at(-1)).toBe('Former roots are trusted until nobody has a leaf under them; they go with a later try.');
      expect(read(mesh.anchors())).toBe('ac');
      expect((await lead(material('a'))).brought).toBe(true);
      expect(read(mesh.anchors())).toBe('a');
    });

    it('are not taken over where others trust more than one of them', async () => {
      const { trust, mesh } = await linkerd('cb', 'c');
      const message = expect.stringMatching(/has roots that its issuer is not under \(CN=root .*take them out if nobody needs them/);
      expect(await trust.bring(material('a'), async () => of('a').issuer)).toEqual({ kind: 'refused', message });
      expect(mesh.writes).toEqual([]);
    });
  });

  it('are not written over what somebody else has put there since', async () => {
    const { mesh, trust, ours } = await linkerd('a');
    await ours();
    mesh.put(CONFIG_MAPS, { metadata: { namespace: HOME, name: 'linkerd-identity-trust-roots' }, data: { 'ca-bundle.crt': pem('ac') } });
    const message = expect.stringMatching(/has roots that meshwright did not write \(CN=root .*take them out/);
    expect(await trust.bring(material('ab'))).toEqual({ kind: 'refused', message });
  });

  it('are compared as certificates: another order, line ends and a copy are the same', async () => {
    const { mesh, ours, lead } = await linkerd('ab');
    await ours();
    const text = `${pem('b')}\n${pem('a').replaceAll('\n', '\r\n')}# twice\n${pem('b')}`;
    mesh.put(CONFIG_MAPS, { metadata: { namespace: HOME, name: 'linkerd-identity-trust-roots' }, data: { 'ca-bundle.crt': text } });
    expect(await lead(material('ab', 1))).toEqual({ brought: true, said: [] });
    expect(mesh.writes).toEqual([]);
  });

  it('belong to somebody else until that is said otherwise', async () => {
    const { mesh, trust } = await linkerd('c', 'c');
    mesh.owner = 'helm';
    const message =
      'The ConfigMap linkerd-identity-trust-roots belongs to helm; let go of it there, or set `takeOver: true` of this data plane.';
    expect(await trust.bring(material('a'), async () => of('a').issuer)).toEqual({ kind: 'refused', message });
    const taken = await linkerd('c', 'c', { takeOver: true });
    taken.mesh.owner = 'helm';
    expect((await taken.lead(material('a'), 'a')).brought).toBe(true);
  });

  it('are not brought what an older decision says', async () => {
    const { mesh, ours, lead, trust } = await linkerd('a');
    await ours();
    await lead(material('ab', 7));
    mesh.writes.length = 0;
    expect(await trust.bring(material('a', 6))).toEqual({ kind: 'brought' });
    expect(mesh.writes).toEqual([]);
  });
});
