/** Certificates through the whole app: a root is made when a spec asks for it, events and people begin rotations, proxies are seen through. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MemoryVault } from '../src/adapters/memory-vault.ts';
import type { TrustAdapters } from '../src/app.ts';
import { envoyTrust } from '../src/dataplanes/envoy/trust.ts';
import { putGiven, putIdentities } from '../src/reconcile/identity-observations.ts';
import { readTrust } from '../src/reconcile/model-trust.ts';
import { putNode, putReadiness, putWatcher } from '../src/reconcile/observations.ts';
import { type VaultCertificate, VaultUnavailable } from '../src/trust/vault.ts';
import { rootCertificate } from '../src/trust/x509/profiles.ts';
import { deployment, meshFile, serviceFile, World } from './world.ts';

const place = { mesh: 'shop', dataPlane: 'edge' };
const SECOND = 1_000;
const CERTIFICATES = 'certificates: { leafLife: 20s, issuerLife: 1d, rootLife: 30d, attest: [join] }\n';
const KEY_VAULT = 'certificates: { vault: https://shop.vault.azure.net, leafLife: 20s, issuerLife: 1d, rootLife: 30d }\n';

class TrustWorld extends World {
  readonly vault: MemoryVault;
  /** What nodes have taken up of the mesh's changes. */
  served = 1;

  constructor(vault = new MemoryVault()) {
    const trust: TrustAdapters = {
      refusal: () => undefined,
      vault: async () => vault,
      connect: (_mesh, { name }) => envoyTrust(this.documents, name, () => {}),
      tokens: { attest: () => Promise.reject(new Error('no token was expected')) },
      random: () => new Uint8Array(16),
    };
    super({ trust });
    this.vault = vault;
  }

  async adopt(certificates = CERTIFICATES): Promise<this> {
    const mesh = meshFile('shop');
    return this.apply({ ...mesh, text: mesh.text + certificates }, serviceFile('catalog'));
  }

  /** Every node has what it is to have by now, and says so. */
  async follow(...nodes: readonly string[]): Promise<void> {
    const trust = await readTrust(this.documents, 'shop');
    if (!trust) throw new Error('nothing was brought');
    const bundle = { offered: [...trust.fingerprints], accepted: [...trust.fingerprints] };
    await putWatcher(this.documents, place, { via: 'x1', aliveUntil: this.now + 3_600 * SECOND }, this.now);
    for (const node of nodes) {
      await putNode(this.documents, place, { node, via: 'x1', served: this.served, bundle }, this.now);
      const leaf = { fingerprint: 'd'.repeat(64), issuer: trust.signer.fingerprint, notAfter: this.now + 20 * SECOND };
      const identity = 'spiffe://cluster.local/ns/shop/sa/web';
      await putGiven(this.documents, place, { node, identity, fingerprint: leaf.fingerprint, notAfter: leaf.notAfter }, this.now);
      await putIdentities(this.documents, place, [{ node, seenAt: this.now, loaded: { roots: [...trust.fingerprints], leaf } }]);
    }
  }

  async rollout(): Promise<string | undefined> {
    return (await this.app.service('shop', 'catalog'))?.rollout?.phase;
  }

  async phase(): Promise<string | undefined> {
    return (await this.app.rotating.status('shop'))?.rotation?.phase.name;
  }

  /** Everybody follows and is looked at each second, `seconds` times; the phases on the way. */
  async pass(seconds: number, ...nodes: readonly string[]): Promise<readonly string[]> {
    const phases: string[] = [];
    for (let passed = 0; passed < seconds; passed += 1) {
      this.now += SECOND;
      await this.follow(...nodes);
      await this.app.sweep();
      const phase = (await this.phase()) ?? 'none';
      if (phases.at(-1) !== phase) phases.push(phase);
    }
    return phases;
  }
}

const vaultEvent = (type: string, id: string, name = 'shop-root') => ({
  specversion: '1.0',
  id: `${type}/${id}`,
  source: '/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/shop',
  type: `Microsoft.KeyVault.${type}`,
  subject: name,
  data: { Id: id, VaultName: 'shop', ObjectType: 'Certificate', ObjectName: name, Version: id.split('/').at(-1) },
});

/** A version that nobody here has asked for. */
async function renewedByTheVault({ vault, now }: TrustWorld, name = 'shop-root'): Promise<VaultCertificate> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = { keyId: 'auto', publicKey: publicKey.export({ format: 'der', type: 'spki' }) };
  const signing = {
    sign: async (_: string, _algorithm: string, message: Uint8Array) =>
      sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' }),
  };
  const validity = { notBefore: now, notAfter: now + 30 * 86_400 * SECOND };
  const profile = { trustDomain: 'cluster.local', key, algorithm: 'P-256', serial: new Uint8Array(16).fill(7), ...validity } as const;
  return vault.importCertificate(name, await rootCertificate(signing, profile), privateKey, 'P-256');
}

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
    await world.app.rotating.byHand('shop', { id: 'back', actor: 'kim' }, { type: 'Abort', by: 'kim' });
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
      await world.app.rotating.byHand('shop', { id: 'two', actor: 'kim' }, { type: 'Abort', by: 'kim' });
      // Another process takes over what this one has not done by then.
      await world.after(3_600 * SECOND);
      expect(await world.phase()).toBeUndefined();
    };
    await world.app.rotating.rotate('shop', ...ROTATE);
    expect((await vault.versions('shop-root')).map(({ enabled }) => enabled)).toEqual([false, true]);
    expect(await vault.signing()).toEqual([true, false]);
  });
});

describe('an event of Key Vault', () => {
  it('about a root that is far from its end changes nothing, and is answered the same each time', async () => {
    const world = await new TrustWorld().adopt(KEY_VAULT);
    const event = vaultEvent('CertificateNearExpiry', 'https://shop.vault.azure.net/certificates/shop-root/1');
    const first = await world.app.receiveEvent(event);
    expect(first).toMatchObject({ kind: 'answered', answers: [{ outcome: 'unchanged', reason: 'NotDue' }] });
    expect(await world.app.receiveEvent(event)).toMatchObject({ answers: [{ reason: 'NotDue', repeated: true }] });
  });

  it('begins the rotation that the daily inventory would begin too, and only one of them', async () => {
    const world = await new TrustWorld().adopt(KEY_VAULT);
    world.now += 27.5 * 86_400 * SECOND;
    const event = vaultEvent('CertificateNearExpiry', 'https://shop.vault.azure.net/certificates/shop-root/1');
    expect(await world.app.receiveEvent(event)).toMatchObject({ answers: [{ outcome: 'accepted' }] });
    const { id } = (await world.app.rotating.status('shop'))?.rotation ?? {};
    await world.app.rotating.takeInventory();
    expect((await world.app.rotating.status('shop'))?.rotation?.id).toBe(id);
  });

  it('about a version that the vault made by itself prepares it, and uses it only when somebody says so', async () => {
    const world = await new TrustWorld().adopt(KEY_VAULT);
    const renewed = await renewedByTheVault(world);
    expect(await world.app.receiveEvent(vaultEvent('CertificateNewVersionCreated', renewed.certificateId))).toMatchObject({
      answers: [{ outcome: 'accepted' }],
    });
    expect(await world.pass(5)).toEqual(['prepared']);
    expect((await readTrust(world.documents, 'shop'))?.fingerprints).toHaveLength(1);
    await world.app.rotating.byHand('shop', { id: 'go', actor: 'kim' }, { type: 'Proceed', by: 'kim' });
    expect(await world.phase()).toBe('distributing');
    expect((await readTrust(world.documents, 'shop'))?.fingerprints).toHaveLength(2);
  });

  it('about a version that is no root ends what it began, says why, and stands in no way', async () => {
    const world = await new TrustWorld().adopt(KEY_VAULT);
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = { keyId: 'auto', publicKey: publicKey.export({ format: 'der', type: 'spki' }) };
    const signer = {
      sign: async (_: string, _of: string, message: Uint8Array) => sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' }),
    };
    const validity = { notBefore: world.now, notAfter: world.now + 86_400 * SECOND };
    const root = await rootCertificate(signer, {
      trustDomain: 'cluster.local',
      key,
      algorithm: 'P-256',
      serial: new Uint8Array(16).fill(7),
      ...validity,
    });
    // Basic constraints with CA:TRUE become those of Key Vault's own renewal: CA:FALSE.
    const flag = Buffer.from(root).indexOf(Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x13]));
    expect(flag).toBeGreaterThan(0);
    const ca = Buffer.from(root).indexOf(Buffer.from([0x01, 0x01, 0xff]), flag + 8);
    const renewed = Uint8Array.from(root);
    renewed[ca + 2] = 0;
    const { certificateId } = world.vault.importCertificate('shop-root', renewed, privateKey, 'P-256');
    await world.app.receiveEvent(vaultEvent('CertificateNewVersionCreated', certificateId));
    expect(await world.phase()).toBeUndefined();
    expect((await world.app.rotating.status('shop'))?.ended).toMatchObject([{ cause: 'new-version', outcome: 'aborted' }]);
    expect(world.cards.find(({ topic }) => topic === 'rotation-aborted')?.data.text).toMatch(/no root/);
    expect(await world.app.rotating.rotate('shop', { id: 'next', actor: 'kim' }, { compromised: false })).toMatchObject({
      outcome: 'accepted',
    });
    expect(await world.phase()).toBe('distributing');
  });

  it('about a version that was made here begins nothing', async () => {
    const world = await new TrustWorld().adopt(KEY_VAULT);
    const [made] = await world.vault.versions('shop-root');
    const event = vaultEvent('CertificateNewVersionCreated', made?.certificateId ?? '');
    expect(await world.app.receiveEvent(event)).toMatchObject({ kind: 'ignored', reason: 'MadeHere' });
    expect(await world.phase()).toBeUndefined();
  });

  it('about another certificate, or of a vault that nobody uses, is said to be so', async () => {
    const world = await new TrustWorld().adopt(KEY_VAULT);
    const serving = vaultEvent('CertificateNearExpiry', 'https://shop.vault.azure.net/certificates/www/1', 'www');
    expect(await world.app.receiveEvent(serving)).toMatchObject({ kind: 'ignored', reason: 'NotARoot' });
    const other = { ...serving, data: { ...serving.data, VaultName: 'office' } };
    expect(await world.app.receiveEvent(other)).toMatchObject({ kind: 'parked', reason: 'FitsNoMesh' });
  });
});

describe('the daily inventory', () => {
  const DAY = 86_400 * SECOND;
  const told = ({ cards }: TrustWorld) => cards.filter(({ topic }) => topic === 'certificates-expiring').map(({ data }) => data.text);

  async function withServing(name: string, days: number, world: TrustWorld): Promise<void> {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const certificate = await rootCertificate(
      { sign: async (_id, _algorithm, message) => sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' }) },
      {
        trustDomain: 'www.example',
        key: { keyId: name, publicKey: publicKey.export({ format: 'der', type: 'spki' }) },
        algorithm: 'P-256',
        serial: new Uint8Array(16).fill(9),
        notBefore: world.now,
        notAfter: world.now + days * DAY,
      },
    );
    world.vault.importCertificate(name, certificate, privateKey, 'P-256');
  }

  it('tells of a serving certificate once when it is due, and again when it is late', async () => {
    const world = await new TrustWorld().adopt(KEY_VAULT);
    await withServing('www', 9, world);
    await world.app.rotating.takeInventory();
    expect(told(world)).toEqual([]);
    await world.after(6.5 * DAY);
    for (const _again of [1, 2]) await world.app.rotating.takeInventory();
    expect(told(world)).toEqual([expect.stringMatching(/^The serving certificate www is to be replaced; it ends at [^ ]+Z\.$/)]);
    await world.after(2 * DAY);
    for (const _again of [1, 2]) await world.app.rotating.takeInventory();
    expect(told(world)).toHaveLength(2);
    expect(told(world)[1]).toMatch(/www should have been replaced by now/);
  });

  it('prepares a version that the vault made by itself and no event told of; once, and none that is disabled', async () => {
    const world = await new TrustWorld().adopt(KEY_VAULT);
    await world.app.rotating.takeInventory();
    expect(await world.phase()).toBeUndefined();
    const renewed = await renewedByTheVault(world);
    await world.vault.setEnabled(renewed.certificateId, false);
    await world.app.rotating.takeInventory();
    expect(await world.phase()).toBeUndefined();
    await world.vault.setEnabled(renewed.certificateId, true);
    await world.after(DAY);
    await world.app.rotating.takeInventory();
    expect(await world.phase()).toBe('prepared');
    expect((await world.app.rotating.status('shop'))?.rotation).toMatchObject({ cause: 'new-version' });
    await world.app.rotating.byHand('shop', { id: 'no', actor: 'kim' }, { type: 'Abort', by: 'kim' });
    // Somebody enables it again, for whatever reason: it was put away once.
    await world.vault.setEnabled(renewed.certificateId, true);
    await world.after(DAY);
    await world.app.rotating.takeInventory();
    expect(await world.phase()).toBeUndefined();
  });

  it('begins nothing for a root that it has made here, nor where the vault cannot be asked', async () => {
    class Silent extends MemoryVault {
      down = false;
      override async versions(name: string) {
        if (this.down) throw new VaultUnavailable('it does not answer');
        return super.versions(name);
      }
    }
    const vault = new Silent();
    const world = await new TrustWorld(vault).adopt(KEY_VAULT);
    await world.follow('web-1');
    await world.app.rotating.rotate('shop', { id: 'one', actor: 'kim' }, { compromised: false });
    expect(await world.pass(60, 'web-1')).toContain('none');
    await world.app.rotating.takeInventory();
    await renewedByTheVault(world);
    vault.down = true;
    await world.app.rotating.takeInventory();
    expect(await world.phase()).toBeUndefined();
    expect(world.problems).toContainEqual(expect.stringContaining('could not be listed'));
  });

  it('says nothing of one that is disabled, nor of one that was replaced', async () => {
    const world = await new TrustWorld().adopt(KEY_VAULT);
    await withServing('off', 9, world);
    await withServing('www', 9, world);
    const listed = await world.vault.list();
    await world.vault.setEnabled(listed.find(({ name }) => name === 'off')?.certificateId ?? '', false);
    await world.after(6.5 * DAY);
    await withServing('www', 9, world);
    await world.app.rotating.takeInventory();
    expect(told(world)).toEqual([]);
  });

  it('says that the vault could not be asked, and keeps to itself what it does not know then', async () => {
    class Faulty extends MemoryVault {
      down = false;
      override async list() {
        if (this.down) throw new VaultUnavailable('it does not answer');
        return super.list();
      }
    }
    const vault = new Faulty();
    const world = await new TrustWorld(vault).adopt(KEY_VAULT);
    await withServing('www', 9, world);
    await world.after(6.5 * DAY);
    await world.app.rotating.takeInventory();
    vault.down = true;
    for (const _again of [1, 2]) await world.app.rotating.takeInventory();
    vault.down = false;
    await world.app.rotating.takeInventory();
    expect(told(world)).toEqual([expect.stringContaining('www'), 'The vault of shop-root could not be looked at.']);
  });
});

describe('what is measured', () => {
  it('has the serving certificates, and asks the vault no more than each ten minutes for them', async () => {
    class Counting extends MemoryVault {
      lists = 0;
      override async list() {
        this.lists += 1;
        return super.list();
      }
    }
    const vault = new Counting();
    const world = await new TrustWorld(vault).adopt();
    await renewedByTheVault(world, 'www');
    const serving = async () => {
      const [status] = await world.app.rotating.measured();
      return status?.inventory.certificates.filter(({ kind }) => kind === 'serving').map(({ name }) => name);
    };
    expect(await Promise.all([serving(), serving()])).toEqual([['www'], ['www']]);
    expect(await serving()).toEqual(['www']);
    expect(vault.lists).toBe(1);
    world.now += 600 * SECOND;
    expect(await serving()).toEqual(['www']);
    expect(vault.lists).toBe(2);
  });
});
