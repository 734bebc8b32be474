/**
 * A workload's key and its request for a leaf: PKCS#10 (RFC 2986) in DER (X.690), signed by the key it is for. An X.509 library would be larger
 * than the rest of the agent, which stands beside every proxy.
 */
import { generateKeyPair, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';

const SEQUENCE = 0x30;
const SET = 0x31;
const CONTEXT_0 = 0xa0;
/** GeneralName (RFC 5280, 4.2.1.6). */
const NAME_TAGS = { uri: 0x86, dns: 0x82 } as const;
const VERSION_0 = hex('020100');
const ECDSA_WITH_SHA256 = der(SEQUENCE, hex('06082a8648ce3d040302'));
const EXTENSION_REQUEST = hex('06092a864886f70d01090e');
const SUBJECT_ALTERNATIVE_NAME = hex('0603551d11');

/** What kind of name is asked for; a URI, where it is left out. */
export type NameKind = keyof typeof NAME_TAGS;

export interface WorkloadKey {
  /** PKCS#8, PEM. */
  readonly pem: string;
  /** Of exactly this key; PEM. `name`: the one to ask for, where its sender may have several. */
  request(name?: string, kind?: NameKind): string;
}

/** P-256, made here; it is written nowhere but beside its leaf. */
export async function makeKey(): Promise<WorkloadKey> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  return {
    pem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    request: (name, kind = 'uri') => requestOf(publicKey, privateKey, name === undefined ? [] : [asking(NAME_TAGS[kind], name)]),
  };
}

function requestOf(publicKey: KeyObject, privateKey: KeyObject, attributes: readonly Buffer[]): string {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const info = der(SEQUENCE, VERSION_0, der(SEQUENCE), spki, der(CONTEXT_0, ...attributes));
  const signature = Buffer.concat([hex('00'), sign('sha256', info, privateKey)]);
  const body = der(SEQUENCE, info, ECDSA_WITH_SHA256, der(0x03, signature)).toString('base64');
  return ['-----BEGIN CERTIFICATE REQUEST-----', ...(body.match(/.{1,64}/g) ?? []), '-----END CERTIFICATE REQUEST-----', ''].join('\n');
}

/** The attribute that asks for one alternative name, critical as it has to be beside an empty subject. */
function asking(tag: number, name: string): Buffer {
  const names = der(0x04, der(SEQUENCE, der(tag, Buffer.from(name, 'latin1'))));
  const extension = der(SEQUENCE, SUBJECT_ALTERNATIVE_NAME, hex('0101ff'), names);
  return der(SEQUENCE, EXTENSION_REQUEST, der(SET, der(SEQUENCE, extension)));
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  if (length < 0x100) return Buffer.concat([Buffer.from([tag, 0x81, length]), content]);
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), content]);
}

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}
