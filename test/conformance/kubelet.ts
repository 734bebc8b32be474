/**
 * The one thing of a kubelet that a port-forward needs: an API server hands the WebSocket on to it (`v4.channel.k8s.io`,
 * k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go), and each pod's port is a port of 127.0.0.1.
 */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:https';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ApiServer } from './api-server.ts';
import { LOOPBACK, type Running, stopping } from './process.ts';
import { issueLeaf } from './x509.ts';

const PROTOCOL = 'v4.channel.k8s.io';
const BINARY = 0x82;
const CLOSE = 0x88;

export interface Kubelet extends Running {
  readonly node: string;
  /** How often a port was forwarded. */
  forwarded(): number;
}

/** A node of `api`; `ports` gives for a pod's port the one that stands for it, or says why there is none. */
export async function startKubelet(api: ApiServer, ports: (pod: string, port: number) => number | string): Promise<Kubelet> {
  // API servers do not verify kubelets unless they are told by whom they are certified.
  const anyKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const { chain, key } = issueLeaf(api.authority, anyKey, 'kubelet');
  const open = new Set<Duplex>();
  let forwarded = 0;
  const server = createServer({ cert: chain, key });
  server.on('upgrade', (request, socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket)).on('error', () => socket.destroy());
    const url = new URL(request.url ?? '/', 'https://kubelet');
    const [, verb, , pod = ''] = url.pathname.split('/');
    const port = Number(url.searchParams.get('ports') ?? url.searchParams.get('port'));
    const offered = String(request.headers['sec-websocket-protocol']).split(/, */);
    if (verb !== 'portForward' || !offered.includes(PROTOCOL)) return void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    forwarded += 1;
    accept(socket, String(request.headers['sec-websocket-key']));
    forward(socket, port, ports(pod, port));
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  const address = server.address();
  const node = 'node-1';
  await describeNode(api, node, typeof address === 'object' && address ? address.port : 0);
  return {
    node,
    forwarded: () => forwarded,
    ...stopping(async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    }),
  };
}

async function describeNode(api: ApiServer, name: string, port: number): Promise<void> {
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name } };
  await api.admin.mustApply(node);
  const status = { addresses: [{ type: 'InternalIP', address: LOOPBACK }], daemonEndpoints: { kubeletEndpoint: { Port: port } } };
  const answer = await api.admin.ask('PATCH', await api.admin.pathOf(node, 'status'), { status }, 'application/merge-patch+json');
  if (answer.status !== 200) throw new Error(`The node was not taken (${answer.status}): ${JSON.stringify(answer.body)}`);
}

function accept(socket: Duplex, key: string): void {
  const accepted = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  const upgrade = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade';
  socket.write(`${upgrade}\r\nSec-WebSocket-Accept: ${accepted}\r\nSec-WebSocket-Protocol: ${PROTOCOL}\r\n\r\n`);
}

/** Two channels, data and error, each beginning with the number of the port. */
function forward(socket: Duplex, port: number, target: number | string): void {
  const number = Buffer.from([port & 0xff, port >> 8]);
  const send = (channel: number, data: Buffer) => socket.write(frame(Buffer.concat([Buffer.from([channel]), data])));
  send(0, number);
  send(1, number);
  if (typeof target === 'string') {
    send(1, Buffer.from(target));
    return;
  }
  const pod = connect(target, LOOPBACK);
  pod.on('data', (data) => send(0, data)).on('error', () => pod.destroy());
  pod.on('close', () => socket.end(Buffer.from([CLOSE, 0])));
  socket.on('close', () => pod.destroy());
  let waiting = Buffer.alloc(0);
  socket.on('data', (data: Buffer) => {
    waiting = Buffer.concat([waiting, data]);
    for (let one = unframe(waiting); one; one = unframe(waiting)) {
      waiting = waiting.subarray(one.bytes);
      if (one.opcode === CLOSE) socket.end();
      else if (one.opcode === BINARY && one.payload[0] === 0) pod.write(one.payload.subarray(1));
    }
  });
}

/** RFC 6455 5.2, unmasked as servers do. */
function frame(payload: Buffer): Buffer {
  if (payload.length < 126) return Buffer.concat([Buffer.from([BINARY, payload.length]), payload]);
  const head = Buffer.alloc(10);
  head[0] = BINARY;
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, payload]);
}

interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
  /** Of the whole frame. */
  readonly bytes: number;
}

/** The first frame, masked as clients do; `undefined` while it is not whole. */
function unframe(data: Buffer): Frame | undefined {
  if (data.length < 2) return undefined;
  const [opcode = 0, second = 0] = data;
  const short = second & 0x7f;
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  const start = 2 + lengthBytes + 4;
  if (data.length < start) return undefined;
  const length = lengthBytes === 2 ? data.readUInt16BE(2) : lengthBytes === 8 ? Number(data.readBigUInt64BE(2)) : short;
  if (data.length < start + length) return undefined;
  const mask = data.subarray(start - 4, start);
  const payload = Buffer.from(data.subarray(start, start + length).map((byte, index) => byte ^ (mask[index % 4] ?? 0)));
  return { opcode, payload, bytes: start + length };
}
