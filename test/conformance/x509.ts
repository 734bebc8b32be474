/**
 * The little of X.509 that a workload's agent does and node:crypto does not: a certificate request, and a leaf signed by an authority
 * whose key is at hand. DER by hand (X.690), for P-256 keys of the workload.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';

export interface Leaf {
  /** PEM, the leaf first. */
  readonly chain: string;
  readonly key: string;
}

export interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export const workloadKey = (): Pair => generateKeyPairSync('ec', { namedCurve: 'P-256' });

export const keyPem = ({ privateKey }: Pair): string => privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

const SEQUENCE = 0x30;
const ECDSA_WITH_SHA256 = sequence(hex('06082a8648ce3d040302'));
const RSA_WITH_SHA256 = sequence(hex('06092a864886f70d01010b'), hex('0500'));

/** PKCS#10 (RFC 2986) with an empty subject, as PEM: for authorities that name the leaf after who asks. */
export function signingRequest(pair: Pair): string {
  const info = sequence(hex('020100'), sequence(), publicKey(pair), der(0xa0));
  return pem('CERTIFICATE REQUEST', sequence(info, ECDSA_WITH_SHA256, bitString(sign('sha256', info, pair.privateKey))));
}

/** A leaf without extensions for `commonName`, valid from an hour ago for a day. `authority` and its RSA key are PEM. */
export function issueLeaf(authority: string, authorityKey: string, commonName: string): Leaf {
  const pair = workloadKey();
  const name = sequence(der(0x31, sequence(hex('0603550403'), der(0x0c, Buffer.from(commonName)))));
  const now = Date.now();
  const validity = sequence(utcTime(now - 3_600_000), utcTime(now + 86_400_000));
  // The first bit is 0: a serial number is positive.
  const serial = der(0x02, Buffer.concat([hex('01'), randomBytes(8)]));
  const issuer = subjectOf(new X509Certificate(authority).raw);
  const body = sequence(der(0xa0, hex('020102')), serial, RSA_WITH_SHA256, issuer, validity, name, publicKey(pair));
  const signature = bitString(sign('sha256', body, createPrivateKey(authorityKey)));
  return { chain: pem('CERTIFICATE', sequence(body, RSA_WITH_SHA256, signature)), key: keyPem(pair) };
}

/** The subject of a certificate as its bytes are: Certificate {TBSCertificate {version, serial, algorithm, issuer, validity, subject … */
function subjectOf(certificate: Buffer): Buffer {
  const subject = elements(elements(elements(certificate)[0]?.content)[0]?.content)[5];
  if (subject === undefined) throw new Error('This is no certificate.');
  return subject.whole;
}

function elements(bytes: Buffer = Buffer.alloc(0)): { whole: Buffer; content: Buffer }[] {
  const found: { whole: Buffer; content: Buffer }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at + 1] ?? 0;
    const more = first < 0x80 ? 0 : first & 0x7f;
    const length = more === 0 ? first : bytes.readUIntBE(at + 2, more);
    const end = at + 2 + more + length;
    found.push({ whole: bytes.subarray(at, end), content: bytes.subarray(at + 2 + more, end) });
    at = end;
  }
  return found;
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  if (length < 0x100) return Buffer.concat([Buffer.from([tag, 0x81, length]), content]);
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(SEQUENCE, ...parts);
}

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}

const bitString = (bytes: Buffer): Buffer => der(0x03, Buffer.from([0]), bytes);

const publicKey = (pair: Pair): Buffer => pair.publicKey.export({ type: 'spki', format: 'der' });

/** YYMMDDHHMMSSZ */
const utcTime = (ms: number): Buffer => der(0x17, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));

function pem(what: string, bytes: Buffer): string {
  return [`-----BEGIN ${what}-----`, ...(bytes.toString('base64').match(/.{1,64}/g) ?? []), `-----END ${what}-----`, ''].join('\n');
}
