/** What begins a rotation when nobody asks: events of Key Vault and the daily inventory, which also tells people; and what is measured. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MemoryVault } from '../src/adapters/memory-vault.ts';
import { readTrust } from '../src/reconcile/model-trust.ts';
import { VaultForbidden, VaultUnavailable } from '../src/trust/vault.ts';
import { rootCertificate } from '../src/trust/x509/profiles.ts';
import { KEY_VAULT, renewedByTheVault, SECOND, TrustWorld, vaultEvent } from './trust-world.ts';

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
    await world.app.rotating.stepIn('shop', { id: 'go', actor: 'kim' }, { action: 'proceed' });
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

  it('about a version that this app may not use holds, says which role is missing, and goes on once that is granted', async () => {
    const why = 'shop.vault.azure.net does not allow keys/create/action: the identity lacks the role "Key Vault Crypto Officer".';
    class Guarded extends MemoryVault {
      isGranted = true;
      override async makeKey(request: Parameters<MemoryVault['makeKey']>[0]) {
        if (!this.isGranted) throw new VaultForbidden(why);
        return super.makeKey(request);
      }
    }
    const vault = new Guarded();
    const world = await new TrustWorld(vault).adopt(KEY_VAULT);
    const renewed = await renewedByTheVault(world);
    vault.isGranted = false;
    await world.app.receiveEvent(vaultEvent('CertificateNewVersionCreated', renewed.certificateId));
    expect(await world.pass(120)).toEqual(['preparing']);
    const { pending, ended } = (await world.app.rotating.status('shop')) ?? {};
    expect(pending).toMatchObject([{ what: expect.stringContaining('make'), error: why }]);
    expect(ended).toEqual([]);
    vault.isGranted = true;
    expect((await world.pass(65)).at(-1)).toBe('prepared');
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
    await world.app.rotating.stepIn('shop', { id: 'no', actor: 'kim' }, { action: 'abort' });
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
