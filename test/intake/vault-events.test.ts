/** Events of Key Vault in every spelling there is: the service's own, the documentation's, both schemas. */
import { describe, expect, it } from 'vitest';
import { readEvent } from '../../src/intake/delivery.ts';
import { readVaultEvent, type VaultReading } from '../../src/intake/vault-events.ts';

const SOURCE = '/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/Shop';
const ID = 'https://shop.vault.azure.net/certificates/mesh-root/0123456789abcdef0123456789abcdef';
const data = {
  Id: ID,
  VaultName: 'Shop',
  ObjectType: 'Certificate',
  ObjectName: 'mesh-root',
  Version: '0123456789abcdef0123456789abcdef',
  NBF: 1_749_411_621,
  EXP: 1_749_418_821,
};

function reading(type: string, about: unknown, schema: 'cloud' | 'grid' = 'cloud', id = 'one'): VaultReading {
  const time = '2025-06-08T19:52:25.15Z';
  const body =
    schema === 'cloud'
      ? { specversion: '1.0', id, source: SOURCE, subject: 'mesh-root', type, time, data: about }
      : [
          {
            id,
            topic: SOURCE,
            subject: 'mesh-root',
            eventType: type,
            eventTime: time,
            data: about,
            dataVersion: '1',
            metadataVersion: '1',
          },
        ];
  const delivered = readEvent(body, 0);
  if (!delivered.ok) throw new Error(delivered.message);
  return readVaultEvent(delivered.event);
}

const NEAR = 'Microsoft.KeyVault.CertificateNearExpiry';

describe('an event of Key Vault', () => {
  it('says which version of what is near its end', () => {
    expect(reading(NEAR, data)).toEqual({
      kind: 'vault',
      deliveryId: expect.any(String),
      change: 'near-expiry',
      objectType: 'certificate',
      vault: 'shop',
      name: 'mesh-root',
      version: data.Version,
      id: ID,
      occurredAt: Date.parse('2025-06-08T19:52:25.15Z'),
      notAfter: 1_749_418_821_000,
    });
  });

  it.each([
    ["the documentation's keys and spaces", { ...data, ObjectName: undefined, 'ObjectName ': 'mesh-root', Version: ` ${data.Version}` }],
    ['numbers as text', { ...data, EXP: '1749418821', NBF: '1749411621' }],
    ['the lower case of the definition', Object.fromEntries(Object.entries(data).map(([key, value]) => [key.toLowerCase(), value]))],
    ['keys nobody knows', { ...data, Tenant: 'x' }],
  ])('is the same with %s', (_, spelled) => {
    expect(reading(NEAR, JSON.parse(JSON.stringify(spelled)))).toEqual(reading(NEAR, data));
  });

  it('is the same in both schemas, and however often it comes', () => {
    expect(reading(NEAR, data, 'grid', 'two')).toEqual(reading(NEAR, data));
  });

  it('is another for another version, kind of object or change', () => {
    const ids = [
      reading(NEAR, data),
      reading(NEAR, { ...data, Version: 'other' }),
      reading('Microsoft.KeyVault.CertificateExpired', data),
      reading('Microsoft.KeyVault.CertificateNewVersionCreated', data),
      reading('Microsoft.KeyVault.SecretNewVersionCreated', { ...data, ObjectType: 'Secret' }),
    ].map((read) => (read.kind === 'vault' ? read.deliveryId : read.kind));
    expect(new Set(ids).size).toBe(5);
  });

  it('tells no end where there is none', () => {
    for (const EXP of [null, undefined, 'never', 0]) expect(reading(NEAR, { ...data, EXP })).not.toHaveProperty('notAfter');
  });

  it('is left alone where it is about keys or access', () => {
    expect(reading('Microsoft.KeyVault.KeyNearExpiry', data).kind).toBe('ignored');
    expect(reading('Microsoft.KeyVault.VaultAccessPolicyChanged', data).kind).toBe('ignored');
    expect(reading('Microsoft.ContainerRegistry.ImagePushed', data).kind).toBe('other');
  });

  it.each([
    ['nothing', undefined],
    ['a list', [data]],
    ['no version', { ...data, Version: ' ' }],
    ['another type of object', { ...data, ObjectType: 'Key' }],
    ['a name too long', { ...data, ObjectName: 'x'.repeat(128) }],
  ])('is refused with %s', (_, about) => {
    expect(reading(NEAR, about)).toMatchObject({ kind: 'invalid', reason: 'MalformedData', message: expect.stringMatching(/Certificate/) });
  });
});
