import { describe, expect, it } from 'vitest';
import { MemoryVault } from '../src/adapters/memory-vault.ts';
import { readTrust } from '../src/reconcile/model-trust.ts';
import { putReadiness } from '../src/reconcile/observations.ts';
import { CERTIFICATES, KEY_VAULT, place, SECOND, TrustWorld } from './trust-world.ts';
import { deployment, meshFile, serviceFile, World } from './world.ts';

describe('a spec with certificates', () => {
  it('has its root made, and brought to every data plane', async () => {
    const world = await new TrustWorld().adopt();
    const status = await world.app.rotating.status('shop');
    expect(status?.inventory.certificates.map(({ kind, role, standing }) => [kind, role, standing])).toEqual([
      ['issuer', 'current', 'good'],
      ['root', 'current', 'good'],
    ]);
    expect((await readTrust(world.documents, 'shop'))?.fingerprints).toHaveLength(1);
    expect(world.cards.map(({ topic }) => topic)).toContain('trust-established');
    expect(await world.vault.versions('shop-root')).toHaveLength(1);
  });

  it('is refused where nothing makes them', async () => {
    const mesh = meshFile('shop');
    const applied = await new World().app.apply([{ ...mesh, text: mesh.text + CERTIFICATES }], { actor: 'kim' });
    expect(applied).toMatchObject({ ok: false, problems: [{ message: expect.stringContaining('leave `certificates` out') }] });
  });
});

describe('another spec of a mesh that has a root', () => {
  const applied = async (world: TrustWorld, text: string) =>
    world.app.apply([{ path: 'shop.yaml', text }, serviceFile('catalog')], { actor: 'kim' });
  const head = meshFile('shop').text;

  it.each([
    ['with another trust domain', `${head}trustDomain: other.example\n${CERTIFICATES}`, 'names in cluster.local'],
    ['with another vault', head + KEY_VAULT, 'could sign no more'],
  ])('%s is refused, since its workloads could not talk', async (_, text, because) => {
    const world = await new TrustWorld().adopt();
    expect(await applied(world, text)).toMatchObject({ ok: false, problems: [{ message: expect.stringContaining(because) }] });
  });

  it('without certificates is refused while a rotation is under way, and releases them when it is over', async () => {
    const world = await new TrustWorld().adopt();
    await world.app.rotating.rotate('shop', { id: 'one', actor: 'kim' }, { compromised: false });
    expect(await applied(world, head)).toMatchObject({ ok: false, problems: [{ message: expect.stringContaining('abort it') }] });
    await world.app.rotating.stepIn('shop', { id: 'back', actor: 'kim' }, { action: 'abort' });
    expect(await world.pass(10)).toContain('none');
    expect(await applied(world, head)).toMatchObject({ ok: true });
    expect(await world.app.rotating.status('shop')).toBeUndefined();
  });
});

describe('a rotation', () => {
  it('passes each phase once every proxy was seen to be there, and ends with the old key disabled', async () => {
    const world = await new TrustWorld().adopt();
    await world.follow('web-1', 'web-2');
    await world.app.rotating.rotate('shop', { id: 'one', actor: 'kim' }, { compromised: false });
    expect(await world.phase()).toBe('distributing');
    expect(await world.pass(60, 'web-1', 'web-2')).toEqual(['distributing', 'issuing', 'soaking', 'pruned', 'none']);
    const [newest, oldest] = await world.vault.versions('shop-root');
    expect([newest?.enabled, oldest?.enabled]).toEqual([true, false]);
    expect((await world.app.rotating.status('shop'))?.ended).toMatchObject([{ outcome: 'rotated' }]);
  });

  it.each(['distributing', 'issuing', 'pruned'])('stays %s while one proxy is behind, and says which', async (held) => {
    const world = await new TrustWorld().adopt();
    await world.follow('web-1', 'web-2');
    await world.app.rotating.rotate('shop', { id: 'one', actor: 'kim' }, { compromised: false });
    while ((await world.phase()) !== held) await world.pass(1, 'web-1', 'web-2');
    // It stays alive with what it had: an agent that does not follow.
    const before = await readTrust(world.documents, 'shop');
    for (let seconds = 0; seconds < 15; seconds += 1) {
      await world.pass(1, 'web-1');
      expect(await world.phase()).toBe(held);
    }
    expect((await readTrust(world.documents, 'shop'))?.revision).toBe(before?.revision);
    expect((await world.app.rotating.status('shop'))?.rotation?.heldBy).toContain('edge/web-2');
  });

  it('waits while a rollout is between two weights, and goes on when that has ended', async () => {
    const world = await new TrustWorld().adopt();
    await world.follow('web-1');
    await putReadiness(world.documents, place, { service: 'catalog', via: 'x1', versions: { v1: 'ready', v2: 'ready' } }, world.now);
    expect(await world.app.receiveEvent(deployment('d1', 'catalog', 'v2'))).toMatchObject({ answers: [{ outcome: 'accepted' }] });
    expect(await world.rollout()).toBe('shifting');
    await world.app.rotating.rotate('shop', { id: 'one', actor: 'kim' }, { compromised: false });
    expect(await world.pass(5, 'web-1')).toEqual(['distributing']);
    expect((await world.app.rotating.status('shop'))?.rotation?.heldBy).toContain('catalog is between two weights');
    // The node has taken up the new weights, too.
    world.served = 99;
    expect(await world.pass(5, 'web-1')).toContain('issuing');
    expect(await world.rollout()).toBe('holding');
  });

  it('has a new version wait while its own change is not seen everywhere, and no longer; what goes back does not wait', async () => {
    const world = await new TrustWorld().adopt();
    world.served = 99;
    await world.follow('web-1');
    await putReadiness(world.documents, place, { service: 'catalog', via: 'x1', versions: { v1: 'ready', v2: 'ready' } }, world.now);
    await world.app.rotating.rotate('shop', { id: 'one', actor: 'kim' }, { compromised: false });
    expect(await world.app.receiveEvent(deployment('d1', 'catalog', 'v2'))).toMatchObject({ answers: [{ outcome: 'accepted' }] });
    expect((await world.app.service('shop', 'catalog'))?.rollout).toMatchObject({
      phase: 'waiting',
      because: expect.stringContaining('a rotation of the mesh'),
      deadline: { name: 'start' },
    });
    // All have both roots: the rotation goes on to its next change, and the version in the moments between two of them.
    const phases = await world.pass(60, 'web-1');
    expect(phases.at(-1)).toBe('none');
    expect(await world.rollout()).toBe('holding');
    await world.app.rotating.rotate('shop', { id: 'two', actor: 'kim' }, { compromised: false });
    await world.pass(2);
    expect(await world.phase()).toBe('distributing');
    await world.app.byHand('shop', 'catalog', { id: 'back', actor: 'kim' }, { type: 'Abort' });
    expect((await world.split('catalog')).v2 ?? 0).toBe(0);
  });

  it('is asked for by somebody else while one is under way in vain', async () => {
    const world = await new TrustWorld().adopt();
    const ask = (id: string) => world.app.rotating.rotate('shop', { id, actor: 'kim' }, { compromised: false });
    expect(await ask('one')).toMatchObject({ outcome: 'accepted' });
    expect(await ask('one')).toMatchObject({ outcome: 'accepted', repeated: true });
    expect(await ask('two')).toMatchObject({ outcome: 'refused', reason: 'RotationUnderWay' });
  });
});

describe('keys that nobody is to sign with again', () => {
  const ROTATE = [{ id: 'one', actor: 'kim' }, { compromised: false }] as const;

  class Watched extends MemoryVault {
    readonly issuerKeys: string[] = [];
    beforeBegun: () => Promise<void> = async () => {};
    override async begin(request: Parameters<MemoryVault['begin']>[0]) {
      await this.beforeBegun();
      return super.begin(request);
    }
    override async makeKey(request: Parameters<MemoryVault['makeKey']>[0]) {
      const key = await super.makeKey(request);
      if (!this.issuerKeys.includes(key.keyId)) this.issuerKeys.push(key.keyId);
      return key;
    }
    /** Of the issuers' keys, in the order in which they were made. */
    async signing(): Promise<readonly boolean[]> {
      const tries = this.issuerKeys.map((keyId) => this.sign(keyId, 'P-256', Buffer.from('so')));
      return (await Promise.allSettled(tries)).map(({ status }) => status === 'fulfilled');
    }
  }

  it('are those of issuers whose leafs have ended, and of all under a root that has retired', async () => {
    const vault = new Watched();
    const world = await new TrustWorld(vault).adopt();
    for (let made = 1; made <= 3; made += 1) await world.after(12.1 * 3_600 * SECOND);
    // Each counts for a day: the first two have ended.
    expect(await vault.signing()).toEqual([false, false, true, true]);
    await world.follow('web-1');
    await world.app.rotating.rotate('shop', ...ROTATE);
    expect(await world.pass(60, 'web-1')).toContain('none');
    expect(await vault.signing()).toEqual([false, false, false, false, true]);
  });

  it('are those of a root that is made although its rotation was undone meanwhile', async () => {
    const vault = new Watched();
    const world = await new TrustWorld(vault).adopt();
    vault.beforeBegun = async () => {
      vault.beforeBegun = async () => {};
      await world.app.rotating.stepIn('shop', { id: 'two', actor: 'kim' }, { action: 'abort' });
      // Another process takes over what this one has not done by then.
      await world.after(3_600 * SECOND);
      expect(await world.phase()).toBeUndefined();
    };
    await world.app.rotating.rotate('shop', ...ROTATE);
    expect((await vault.versions('shop-root')).map(({ enabled }) => enabled)).toEqual([false, true]);
    expect(await vault.signing()).toEqual([true, false]);
  });
});
