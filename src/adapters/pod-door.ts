/**
 * HTTP GETs to a pod's port over a dialler's byte streams, kept open between questions: a look at a mesh asks one istiod about
 * each of its proxies.
 */
import http from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type AskOutcome, ClusterUnavailable, type Permission, type PodDoor, type PodPort } from '../dataplanes/kubernetes/cluster.ts';
import { exchange, explained } from './http-exchange.ts';
import { ForwardForbidden } from './port-forward.ts';

export interface PodDoorPorts {
  readonly to: PodPort;
  /** Rejects with `ForwardForbidden` where the caller may not. */
  readonly dial: (to: PodPort) => Promise<Duplex>;
  readonly timeoutMs: number;
  readonly may: (permission: Permission) => Promise<boolean>;
}

export function podDoor({ to, dial, timeoutMs, may }: PodDoorPorts): PodDoor {
  const agent = new DiallingAgent(() => dial(to));
  const where = `${to.namespace}/${to.pod}, port ${to.port}`;
  return {
    async get(path): Promise<AskOutcome> {
      const url = new URL(path, `http://localhost:${to.port}`);
      try {
        const { status, body } = await exchange(url, { agent, signal: AbortSignal.timeout(timeoutMs) });
        return { kind: 'answered', status, body };
      } catch (error) {
        if (error instanceof ForwardForbidden)
          return { kind: 'refused', status: 403, message: error.said ?? (await whyForbidden(to, may)) };
        throw new ClusterUnavailable(`${where} could not be asked: ${explained(error, timeoutMs)}.`, { cause: error });
      }
    },
    close: () => agent.close(),
  };
}

export async function whyForbidden({ namespace }: PodPort, may: PodDoorPorts['may']): Promise<string> {
  const asked = (verb: string) => may({ verb, group: '', resource: 'pods', subresource: 'portforward', namespace });
  const verbs = ['get', 'create'];
  const missing: string[] = [];
  for (const verb of verbs) if (!(await asked(verb))) missing.push(verb);
  if (missing.length === 0) return `The API server does not forward ports of pods in ${namespace}, though its roles allow it.`;
  return `The API server does not let meshwright ${missing.join(' and ')} pods/portforward in ${namespace}; grant it there.`;
}

/** What agents ask of a TCP socket beside its bytes, and what means nothing on another stream. */
const NOT_TCP = { setKeepAlive() {}, setNoDelay() {}, setTimeout() {}, ref() {}, unref() {} };

class DiallingAgent extends http.Agent {
  readonly #dial: () => Promise<Duplex>;
  #closed = false;

  constructor(dial: () => Promise<Duplex>) {
    super({ keepAlive: true });
    this.#dial = dial;
  }

  override createConnection(_options: http.ClientRequestArgs, opened: (error: Error | null, stream: Duplex) => void): null {
    this.#dial().then(
      (stream) => {
        if (this.#closed) stream.destroy();
        opened(null, stream instanceof Socket ? stream : Object.assign(stream, NOT_TCP));
      },
      // Types say that a failure has a stream too; Node looks at the error first.
      (error: unknown) => Reflect.apply(opened, undefined, [error instanceof Error ? error : new Error(String(error))]),
    );
    return null;
  }

  close(): void {
    this.#closed = true;
    this.destroy();
  }
}
