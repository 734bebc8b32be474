/** What a stranger's bytes are taken for: a request that proves its key, with at most the one name it may ask for, or a refusal. */
import { createPublicKey, generateKeyPairSync, webcrypto } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { x509 } from '../../../src/trust/x509/library.ts';
import { judgeKey } from '../../../src/trust/x509/public-key.ts';
import { readSigningRequest } from '../../../src/trust/x509/signing-request.ts';
import { ecPair, rsaPair, spkiOf } from './certificate-maker.ts';

const ID = 'spiffe://shop.example/ns/shop/sa/web';
const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const P384 = { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' };
const P521 = { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' };
const rsa = (modulusLength: number, hash = 'SHA-256') => ({
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash,
});

type Name = { readonly type: 'url' | 'dns'; readonly value: string };

/** PKCS#10 by the library, as agents make theirs. */
async function request(algorithm: { name: string; hash: string }, names: readonly Name[] = []): Promise<Uint8Array> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  if (!('privateKey' in keys)) throw new Error('This algorithm has no pair of keys.');
  const extensions = names.length > 0 ? [new x509.SubjectAlternativeNameExtension([...names])] : [];
  const made = await x509.Pkcs10CertificateRequestGenerator.create({ keys, name: 'CN=whatever', signingAlgorithm: algorithm, extensions });
  return new Uint8Array(made.rawData);
}

const uri = (value: string): Name => ({ type: 'url', value });
const pem = (der: Uint8Array): string => x509.PemConverter.encode(new Uint8Array(der), 'CERTIFICATE REQUEST');
const good = await request(P256, [uri(ID)]);
const rsaRequests = { small: await request(rsa(1_024)), fine: await request(rsa(2_048)), sha1: await request(rsa(2_048, 'SHA-1')) };

describe('a signing request', () => {
  it('is read from DER and PEM alike', () => {
    const read = readSigningRequest(good);
    expect(read).toMatchObject({ kind: 'request', spiffeId: ID });
    expect(readSigningRequest(pem(good))).toEqual(read);
    expect(readSigningRequest(Buffer.from(pem(good)))).toEqual(read);
    expect(read.kind === 'request' && judgeKey(read.publicKey)).toEqual({ kind: 'P-256' });
  });

  it('may leave its name out', async () => {
    const read = readSigningRequest(await request(P384));
    expect(read).toMatchObject({ kind: 'request' });
    expect(read).not.toHaveProperty('spiffeId');
    expect(readSigningRequest(rsaRequests.fine)).toMatchObject({ kind: 'request' });
  });

  it.each([
    ['a DNS name', [{ type: 'dns', value: 'web.shop.example' }]],
    ['a DNS name beside its own', [uri(ID), { type: 'dns', value: 'web.shop.example' }]],
    ['two identities', [uri(ID), uri('spiffe://shop.example/ns/shop/sa/admin')]],
    ['another kind of URI', [uri('https://shop.example/')]],
    ['a SPIFFE ID of another form', [uri('spiffe://shop.example/web')]],
  ] as const)('for %s is refused', async (_what, names) => {
    expect(readSigningRequest(await request(P256, names))).toMatchObject({ kind: 'refused', reason: 'ForeignIdentity' });
  });

  it('with a weak key or proof is refused', () => {
    expect(readSigningRequest(rsaRequests.small)).toMatchObject({ reason: 'WeakKey', message: expect.stringContaining('1024 bits') });
    expect(readSigningRequest(rsaRequests.sha1)).toMatchObject({
      reason: 'NotASigningRequest',
      message: expect.stringContaining('SHA-256'),
    });
  });

  it('whose key is of a curve that nobody verifies with is refused', async () => {
    expect(readSigningRequest(await request(P521))).toMatchObject({ kind: 'refused', reason: 'UnsupportedKey' });
  });

  it('that somebody else signed is refused', async () => {
    const other = await request(P256, [uri(ID)]);
    const spki = readSigningRequest(other);
    const mine = readSigningRequest(good);
    if (spki.kind === 'refused' || mine.kind === 'refused') throw new Error('Both were to be read.');
    const swapped = Buffer.from(Buffer.from(good).toString('hex').replace(hex(mine.publicKey), hex(spki.publicKey)), 'hex');
    expect(readSigningRequest(swapped)).toMatchObject({ reason: 'NotASigningRequest', message: expect.stringContaining('signature') });
  });

  it.each([
    ['nothing', ''],
    ['words', 'please'],
    ['PEM of another kind', pem(good).replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE')],
    ['two in one', pem(good) + pem(good)],
    ['text around it', `Hello\n${pem(good)}`],
    ['something after its end', Buffer.concat([good, Buffer.from([0])])],
    ['its first half', good.subarray(0, good.length / 2)],
    ['more than a request takes', Buffer.alloc(20_000, 0x30)],
  ])('is not %s', (_what, input) => {
    expect(readSigningRequest(input)).toMatchObject({
      kind: 'refused',
      reason: 'NotASigningRequest',
      message: expect.stringMatching(/openssl req/),
    });
  });

  it('is refused, never thrown at, whatever the bytes', () => {
    const known = ['NotASigningRequest', 'ForeignIdentity', 'WeakKey', 'UnsupportedKey'];
    const isRefused = (input: string | Uint8Array): boolean => {
      const read = readSigningRequest(input);
      return read.kind === 'refused' && known.includes(read.reason);
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), isRefused));
    fc.assert(fc.property(fc.string(), isRefused));
  });

  it.each([0x01, 0x20, 0x80, 0xff])('is refused with any one of its octets changed by %i', (by) => {
    const accepted = [...good.keys()].filter((at) => {
      const bytes = new Uint8Array(good);
      bytes.set([(bytes[at] ?? 0) ^ by], at);
      return readSigningRequest(bytes).kind !== 'refused';
    });
    expect(accepted).toEqual([]);
  });
});

describe('a key', () => {
  it('is known by its kind', () => {
    expect(judgeKey(spkiOf(ecPair('P-256')))).toEqual({ kind: 'P-256' });
    expect(judgeKey(spkiOf(ecPair('P-384')))).toEqual({ kind: 'P-384' });
    expect(judgeKey(spkiOf(rsaPair(2_048)))).toEqual({ kind: 'RSA', bits: 2_048 });
  });

  it.each([
    ['RSA with too few bits', () => spkiOf(rsaPair(1_024)), 'WeakKey'],
    ['RSA with a small exponent', () => spkiOf(rsaPair(2_048, 3)), 'WeakKey'],
    ['RSA with the exponent 1', () => exponentOf(spkiOf(rsaPair(2_048)), 1), 'WeakKey'],
    ['RSA with an even exponent', () => exponentOf(spkiOf(rsaPair(2_048)), 65_536), 'WeakKey'],
    ['a curve of 224 bits', () => spkiOf(ecPair('secp224r1')), 'WeakKey'],
    ['a curve of 192 bits', () => spkiOf(ecPair('prime192v1')), 'WeakKey'],
    ['a curve of another family', () => spkiOf(ecPair('secp256k1')), 'UnsupportedKey'],
    ['a curve that is spelled out', () => spelledOut(), 'UnsupportedKey'],
    ['Ed25519', () => spkiOf(generateKeyPairSync('ed25519')), 'UnsupportedKey'],
    ['a point off its curve', () => offCurve(spkiOf(ecPair('P-256'))), 'UnsupportedKey'],
    ['no key', () => new Uint8Array([0x30, 0]), 'UnsupportedKey'],
  ])('is refused: %s', (_what, key, reason) => {
    expect(judgeKey(key())).toMatchObject({ kind: 'refused', reason, message: expect.stringMatching(/[.]$/) });
  });
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** The same modulus with another exponent of up to three octets. */
function exponentOf(spki: Uint8Array, exponent: number): Uint8Array {
  const jwk = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }).export({ format: 'jwk' });
  const e = Buffer.from(exponent.toString(16).padStart(6, '0'), 'hex').toString('base64url');
  return spkiOf({ publicKey: createPublicKey({ key: { ...jwk, e }, format: 'jwk' }) });
}

/** P-256 whose parameters say the curve instead of naming it. */
const spelledOut = (): Uint8Array => spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }));

function offCurve(spki: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(spki);
  bytes.set([(bytes.at(-1) ?? 0) ^ 1], bytes.length - 1);
  return bytes;
}
