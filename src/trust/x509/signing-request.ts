/**
 * A workload's request for a leaf (PKCS#10, RFC 2986), read as a stranger's bytes: its size, its form, its proof of holding the key,
 * the key itself and the one name it may ask for. Its subject and whatever else it wishes for are not looked at: a leaf says what its
 * profile says.
 */
import { verify } from 'node:crypto';
import { refused } from '../../decision.ts';
import { readSpiffeId } from '../identity.ts';
import type { RequestFacts } from '../issuing.ts';
import { elementsIn, octetsOf } from './der.ts';
import { x509 } from './library.ts';
import { readOne } from './pem.ts';
import { judgeKey, type KeyRefusal, publicKeyOf } from './public-key.ts';

export interface RequestRefusal {
  readonly kind: 'refused';
  readonly reason: 'NotASigningRequest' | 'ForeignIdentity' | KeyRefusal['reason'];
  readonly message: string;
}

export type SigningRequest = { readonly kind: 'request' } & RequestFacts;

/** One of RSA with 4096 bits takes less than 2 KiB. */
const MAX_BYTES = 16_384;
const TAGS = ['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'];
/** AlgorithmIdentifiers of what proves that the key is held, as they are written (RFC 5758, RFC 4055), and their hashes. */
const SIGNATURES: Readonly<Record<string, string>> = {
  '300a06082a8648ce3d040302': 'sha256',
  '300a06082a8648ce3d040303': 'sha384',
  '300a06082a8648ce3d040304': 'sha512',
  '300d06092a864886f70d01010b0500': 'sha256',
  '300d06092a864886f70d01010c0500': 'sha384',
  '300d06092a864886f70d01010d0500': 'sha512',
};

/** `input`: PEM (one request and nothing else) or DER. Never throws, whatever it is given. */
export function readSigningRequest(input: string | Uint8Array): SigningRequest | RequestRefusal {
  const der = TAGS.map((tag) => readOne(input, tag, MAX_BYTES)).find((bytes) => bytes !== undefined);
  const parsed = der && parse(der);
  if (!parsed)
    return notOne(`This is no PKCS#10 request in PEM or DER of up to ${MAX_BYTES} bytes; send one as \`openssl req -new\` makes it.`);
  const key = judgeKey(parsed.publicKey);
  if (key.kind === 'refused') return key;
  const hash = SIGNATURES[parsed.algorithm];
  if (hash === undefined) return notOne('The request is not signed by ECDSA or RSASSA-PKCS1-v1_5 with SHA-2; sign it with SHA-256.');
  if (!isSigned(parsed, hash)) return notOne('The signature of the request is not by the key it is for; sign it with that one.');
  return nameOf(parsed);
}

interface Parsed {
  readonly publicKey: Uint8Array;
  /** DER, hex. */
  readonly algorithm: string;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  readonly names: readonly { readonly type: string; readonly value: string }[];
}

function nameOf({ names, publicKey }: Parsed): SigningRequest | RequestRefusal {
  const [name, ...more] = names;
  if (!name) return { kind: 'request', publicKey };
  const asked = `${name.type} ${JSON.stringify(name.value)}${more.length > 0 ? ` and ${more.length} more` : ''}`;
  if (more.length > 0 || name.type !== 'url' || readSpiffeId(name.value) === undefined) {
    return refused(
      'ForeignIdentity',
      `The request asks for the name ${asked}; ask for one URI, spiffe://<trust domain>/ns/<namespace>/sa/<service account>, or for none.`,
    );
  }
  return { kind: 'request', publicKey, spiffeId: name.value };
}

function parse(der: Uint8Array): Parsed | undefined {
  const [signed, algorithm, bits = new Uint8Array(), ...more] = elementsIn(der) ?? [];
  const signature = octetsOf(bits);
  if (!signed || !algorithm || !signature || more.length > 0) return undefined;
  try {
    const request = new x509.Pkcs10CertificateRequest(der);
    const alternatives = request.extensions.filter((extension) => extension instanceof x509.SubjectAlternativeNameExtension);
    return {
      publicKey: new Uint8Array(request.publicKey.rawData),
      algorithm: Buffer.from(algorithm).toString('hex'),
      signed,
      signature,
      names: alternatives.flatMap(({ names }) => names.items.map(({ type, value }) => ({ type, value }))),
    };
  } catch {
    return undefined;
  }
}

function isSigned({ publicKey, signed, signature }: Parsed, hash: string): boolean {
  try {
    return verify(hash, signed, publicKeyOf(publicKey), signature);
  } catch {
    return false;
  }
}

const notOne = (message: string) => refused('NotASigningRequest', message);
