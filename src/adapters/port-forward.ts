/**
 * A byte stream to a pod's port through the API server: `pods/portforward` over a WebSocket, by the official client. What the
 * kubelet says on the second stream, that of errors, ends the first.
 */
import { Duplex, PassThrough, Writable } from 'node:stream';
import type { KubeConfig } from '@kubernetes/client-node';
import type { PodPort, Refused } from '../dataplanes/kubernetes/cluster.ts';

/** The caller may not forward ports there; `said`: why, where that is known. */
export class ForwardForbidden extends Error {
  override readonly name = 'ForwardForbidden';
  readonly said: string | undefined;

  constructor(message: string, said?: string) {
    super(message);
    this.said = said;
  }
}

export async function forwardedPort(config: KubeConfig | Refused, { namespace, pod, port }: PodPort): Promise<Duplex> {
  if ('message' in config) throw new ForwardForbidden(config.message, config.message);
  const { PortForward } = await import('@kubernetes/client-node');
  const toPod = new PassThrough();
  const stream = new Duplex({
    read() {},
    write: (chunk: Buffer, _encoding, done) => void toPod.write(chunk, done),
    final: (done) => void toPod.end(done),
  });
  const receiving = (take: (chunk: Buffer) => void) =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        if (chunk.length > 0 && !stream.destroyed) take(chunk);
        done();
      },
    });
  const data = receiving((chunk) => stream.push(chunk));
  const errors = receiving((chunk) => stream.destroy(new Error(chunk.toString('utf8').trim())));
  const opened = await new PortForward(config).portForward(namespace, pod, [port], data, errors, toPod).catch(rejectAs);
  const socket = typeof opened === 'function' ? opened() : opened;
  if (!socket) throw new Error('the API server opened no stream');
  socket.addEventListener('close', () => stream.push(null));
  stream.once('close', () => socket.close());
  return stream;
}

/** `ws` says no more of a refused upgrade than its status. */
function rejectAs(error: unknown): never {
  const message = typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
  if (/: 40[13]$/.test(message)) throw new ForwardForbidden(message);
  throw new Error(message);
}
