/**
 * A byte stream to a pod's port through the API server: `pods/portforward` over a WebSocket, by the official client. Errors that
 * the kubelet tells on the second stream end the first.
 */
import { Duplex, PassThrough, Writable } from 'node:stream';
import type { KubeConfig } from '@kubernetes/client-node';
import type { PodPort } from '../dataplanes/kubernetes/cluster.ts';

/** The caller may not forward ports there. */
export class ForwardForbidden extends Error {
  override readonly name = 'ForwardForbidden';
}

export async function forwardedPort(config: KubeConfig, { namespace, pod, port }: PodPort): Promise<Duplex> {
  const { PortForward } = await import('@kubernetes/client-node');
  const fromPod = new PassThrough();
  const toPod = new PassThrough();
  const stream = Duplex.from({ readable: fromPod, writable: toPod });
  const errors = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const text = chunk.toString('utf8').trim();
      if (text !== '') stream.destroy(new Error(text));
      done();
    },
  });
  const opened = await new PortForward(config).portForward(namespace, pod, [port], fromPod, errors, toPod).catch(rejectAs);
  const socket = typeof opened === 'function' ? opened() : opened;
  if (!socket) throw new Error('the API server opened no stream');
  socket.addEventListener('close', () => fromPod.end());
  stream.once('close', () => socket.close());
  return stream;
}

/** `ws` says no more of a refused upgrade than its status. */
function rejectAs(error: unknown): never {
  const message = typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
  if (/: 40[13]$/.test(message)) throw new ForwardForbidden(message);
  throw new Error(message);
}
