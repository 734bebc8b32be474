/**
 * The first half of a TLS 1.2 handshake (RFC 5246, 7.4), in which a server shows its certificates and names the authorities it believes
 * clients under, all in the clear; then it is hung up on. TLS 1.3 would show neither to somebody who has no certificate.
 */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import type { Hello } from '../dataplanes/consul/authority.ts';

const TIMEOUT_MS = 3_000;
const MAX_BYTES = 256 * 1024;
const RECORD = { alert: 21, handshake: 22 } as const;
const MESSAGE = { certificate: 11, certificateRequest: 13, done: 14 } as const;

/** Rejects where nobody answers within `timeoutMs`, or not in TLS 1.2. */
export function tlsHello(host: string, port: number, timeoutMs = TIMEOUT_MS): Promise<Hello> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let heard: Buffer = Buffer.alloc(0);
    const timer = setTimeout(() => end(new Error(`no TLS from ${host}:${port} in ${timeoutMs} ms`)), timeoutMs);
    const end = (outcome: Hello | Error): void => {
      clearTimeout(timer);
      socket.destroy();
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    socket.on('connect', () => socket.write(clientHello()));
    socket.on('error', end);
    socket.on('close', () => end(new Error(`${host}:${port} hung up before it had said hello`)));
    socket.on('data', (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]);
      try {
        if (heard.length > MAX_BYTES) throw new Error(`${host}:${port} says more than ${MAX_BYTES} bytes before its hello is over`);
        const hello = helloIn(heard);
        if (hello) end(hello);
      } catch (error) {
        end(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}

/** `undefined`: there is more to come. Throws on what is no hello of TLS 1.2. */
export function helloIn(heard: Buffer): Hello | undefined {
  let chain: Hello['chain'] | undefined;
  let believes: Hello['believes'];
  for (const { type, body } of messagesIn(handshakeIn(heard))) {
    if (type === MESSAGE.certificate) chain = [...parts(counted(body, 0, 3).content, 3)];
    if (type === MESSAGE.certificateRequest) believes = authoritiesIn(body);
    if (type !== MESSAGE.done) continue;
    if (!chain) throw new Error('it shows no certificate');
    return { chain, believes };
  }
  return undefined;
}

/** What its whole records carry of the handshake. */
function handshakeIn(heard: Buffer): Buffer {
  const fragments: Buffer[] = [];
  for (let at = 0; at + 5 <= heard.length; ) {
    const type = heard.readUInt8(at);
    const end = at + 5 + heard.readUInt16BE(at + 3);
    if (type !== RECORD.handshake && type !== RECORD.alert) throw new Error('it does not speak TLS');
    if (end > heard.length) break;
    if (type === RECORD.alert) throw new Error(`it refused the handshake (alert ${heard[at + 6]}); it may speak TLS 1.3 alone`);
    fragments.push(heard.subarray(at + 5, end));
    at = end;
  }
  return Buffer.concat(fragments);
}

function* messagesIn(handshake: Buffer): Generator<{ readonly type: number; readonly body: Buffer }> {
  for (let at = 0; at + 4 <= handshake.length; ) {
    const end = at + 4 + handshake.readUIntBE(at + 1, 3);
    if (end > handshake.length) return;
    yield { type: handshake.readUInt8(at), body: handshake.subarray(at + 4, end) };
    at = end;
  }
}

/** After the kinds of certificates and of signatures. */
function authoritiesIn(body: Buffer): readonly Uint8Array[] {
  const signatures = counted(body, counted(body, 0, 1).end, 2);
  return [...parts(counted(body, signatures.end, 2).content, 2)];
}

/** A vector with its length before it; throws a RangeError where there is less than it says. */
function counted(bytes: Buffer, at: number, width: number): { readonly content: Buffer; readonly end: number } {
  const begin = at + width;
  const end = begin + bytes.readUIntBE(at, width);
  if (end > bytes.length) throw new RangeError('it says that there is more than there is');
  return { content: bytes.subarray(begin, end), end };
}

function* parts(list: Buffer, width: number): Generator<Uint8Array> {
  for (let at = 0; at < list.length; ) {
    const { content, end } = counted(list, at, width);
    yield new Uint8Array(content);
    at = end;
  }
}

/** With forward secrecy and AEAD, as every Envoy takes it (RFC 5289, RFC 8422). */
const SUITES = ['c02b', 'c02f', 'c02c', 'c030', 'cca9', 'cca8'];
const EXTENSIONS: readonly (readonly [type: string, body: string])[] = [
  ['000a', '0006 001d 0017 0018'],
  ['000b', '01 00'],
  ['000d', '000c 0403 0503 0804 0805 0401 0501'],
];

function clientHello(): Buffer {
  const vector = (width: number, content: Buffer): Buffer => {
    const length = Buffer.alloc(width);
    length.writeUIntBE(content.length, 0, width);
    return Buffer.concat([length, content]);
  };
  const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
  const extensions = Buffer.concat(EXTENSIONS.map(([type, body]) => Buffer.concat([hex(type), vector(2, hex(body))])));
  const body = Buffer.concat([
    hex('0303'),
    randomBytes(32),
    hex('00'),
    vector(2, hex(SUITES.join(''))),
    hex('0100'),
    vector(2, extensions),
  ]);
  return Buffer.concat([hex('160301'), vector(2, Buffer.concat([hex('01'), vector(3, body)]))]);
}
