/** The stand-in behaves as the service is documented to, where the adapter's own tests do not already hang on it. */
import { createHash, createPublicKey, verify, X509Certificate } from 'node:crypto';
import { CertificateClient } from '@azure/keyvault-certificates';
import { KeyClient } from '@azure/keyvault-keys';
import { SecretClient } from '@azure/keyvault-secrets';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { x509 } from '../../../src/trust/x509/library.ts';
import { type KeyVaultStandIn, startKeyVault } from './start.ts';

const insecure = { allowInsecureConnection: true, disableChallengeResourceVerification: true, retryOptions: { maxRetries: 0 } };
const NON_EXPORTABLE = { exportable: false, keyType: 'EC', keyCurveName: 'P-256', contentType: 'application/x-pem-file' } as const;
const REQUESTED = { ...NON_EXPORTABLE, issuerName: 'Unknown', subject: 'CN=root' };
const SELF_SIGNED = { ...NON_EXPORTABLE, issuerName: 'Self', subject: 'CN=root' };

let keyVault: KeyVaultStandIn;
let certificates: CertificateClient;
let keys: KeyClient;
beforeEach(async () => {
  keyVault = await startKeyVault({ pageSize: 2, selfTakesLooks: 1 });
  certificates = new CertificateClient(keyVault.url, keyVault.credential(), insecure);
  keys = new KeyClient(keyVault.url, keyVault.credential(), insecure);
});
afterEach(() => keyVault.stop());

describe('a call', () => {
  it('without a token is challenged, whatever it asks', async () => {
    const answer = await fetch(`${keyVault.url}/keys/any?api-version=2025-07-01`);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer authorization="https:\/\/.+", resource="https:\/\/vault\.azure\.net"$/);
  });

  it('of no known API version is refused', async () => {
    const token = await keyVault.credential().getToken('');
    const headers = { authorization: `Bearer ${token?.token}` };
    for (const version of ['', '?api-version=1999-01-01'])
      expect((await fetch(`${keyVault.url}/keys/any${version}`, { headers })).status).toBe(400);
  });
});

describe('a certificate that is requested', () => {
  it('is pending, with a request that its key signed, and no key that has an address', async () => {
    const poller = await certificates.beginCreateCertificate('root', REQUESTED);
    expect(poller.getOperationState().isCompleted).toBeFalsy();
    const operation = (await certificates.getCertificateOperation('root')).getOperationState().certificateOperation;
    expect(operation).toMatchObject({ status: 'inProgress', issuerName: 'Unknown' });
    expect(await new x509.Pkcs10CertificateRequest(operation?.csr ?? new Uint8Array()).verify()).toBe(true);
    await expect(keys.getKey('root')).rejects.toMatchObject({ statusCode: 404 });
    expect((await certificates.getCertificate('root')).keyId).toBeUndefined();
  });

  it('conflicts with another one', async () => {
    await certificates.beginCreateCertificate('root', REQUESTED);
    await expect(certificates.beginCreateCertificate('root', REQUESTED)).rejects.toMatchObject({ statusCode: 409 });
  });

  it('is not merged with a certificate over another key', async () => {
    await (await certificates.beginCreateCertificate('other', SELF_SIGNED)).pollUntilDone();
    const { cer = new Uint8Array() } = await certificates.getCertificate('other');
    await certificates.beginCreateCertificate('root', REQUESTED);
    await expect(certificates.mergeCertificate('root', [cer])).rejects.toMatchObject({ statusCode: 400 });
  });

  it('is over the newest version’s key if that is to be used again, and over a new one if not', async () => {
    await (await certificates.beginCreateCertificate('root', SELF_SIGNED)).pollUntilDone();
    const { cer = new Uint8Array() } = await certificates.getCertificate('root');
    const publicKey = new X509Certificate(cer).publicKey.export({ format: 'der', type: 'spki' });
    for (const reuseKey of [true, false]) {
      await certificates.beginCreateCertificate('root', { ...REQUESTED, reuseKey });
      const { csr = new Uint8Array() } = await certificates.deleteCertificateOperation('root');
      expect(Buffer.from(csr).includes(publicKey)).toBe(reuseKey);
    }
  });
});

describe('lists', () => {
  it('come in pages, each with where the next one is', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await (await certificates.beginCreateCertificate(name, SELF_SIGNED)).pollUntilDone();
    const { calls } = keyVault.inject(() => undefined);
    const names: string[] = [];
    for await (const { name } of certificates.listPropertiesOfCertificates()) names.push(name ?? '');
    expect(names).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(calls).toHaveLength(3);
  });
});

describe('a signature', () => {
  it.each([
    ['P-256', 'ES256', 'sha256', 32],
    ['P-384', 'ES384', 'sha384', 48],
  ] as const)('of a key on %s is over the digest that was sent', async (curve, algorithm, hash, length) => {
    const { id = '' } = await keys.createEcKey('key', { curve });
    const message = Buffer.from('what is signed');

    const digest = createHash(hash).update(message).digest();
    const { result } = await keys.getCryptographyClient('key', { keyVersion: id.split('/').at(-1) ?? '' }).sign(algorithm, digest);
    const { key } = await keys.getKey('key');
    const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('base64url');
    const publicKey = createPublicKey({ key: { kty: 'EC', crv: curve, x: text(key?.x), y: text(key?.y) }, format: 'jwk' });
    expect(result).toHaveLength(2 * length);
    expect(verify(hash, message, { key: publicKey, dsaEncoding: 'ieee-p1363' }, result)).toBe(true);
    expect(verify(hash, Buffer.from('else'), { key: publicKey, dsaEncoding: 'ieee-p1363' }, result)).toBe(false);
  });
});

describe('a disabled version', () => {
  it('takes its key and its secret with it', async () => {
    await (await certificates.beginCreateCertificate('root', SELF_SIGNED)).pollUntilDone();
    const { properties } = await certificates.getCertificate('root');
    await certificates.updateCertificateProperties('root', properties.version ?? '', { enabled: false });
    await expect(keys.getKey('root')).rejects.toMatchObject({ statusCode: 403 });
    const secrets = new SecretClient(keyVault.url, keyVault.credential(), insecure);
    await expect(secrets.getSecret('root')).rejects.toMatchObject({ statusCode: 403 });
  });
});

describe('the clock', () => {
  it('is the one that was set', async () => {
    const at = new Date('2030-01-01T00:00:00Z');
    keyVault.setClock(at);
    await (await certificates.beginCreateCertificate('root', SELF_SIGNED)).pollUntilDone();
    const { properties } = await certificates.getCertificate('root');
    expect(properties.createdOn).toEqual(at);
    expect(properties.notBefore).toEqual(new Date('2029-12-31T23:50:00Z'));
  });
});
