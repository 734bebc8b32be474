/** The istiods of a control plane, each asked for its debug pages through a port-forward: they answer callers on their own loopback only. */
import { z } from 'zod';
import { type Cluster, ClusterUnavailable, type Refused } from '../kubernetes/cluster.ts';
import { PODS } from '../kubernetes/kinds.ts';

const DEBUG_PORT = 15_014;

/** `read` throws where istiod says something else than it should. A refusal: nobody lets us ask, or istiod does not answer this. */
export type Ask = <Value>(path: string, read: (body: string) => Value) => Promise<{ readonly value: Value } | Refused>;

const podSchema = z.object({
  status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]) }).default({ conditions: [] }),
});

/** Names of the ready pods labelled `app=istiod`. Throws `ClusterUnavailable`. */
export async function readyIstiods(cluster: Cluster, namespace: string): Promise<{ readonly pods: readonly string[] } | Refused> {
  const listed = await cluster.list(PODS, { namespace, labels: { app: 'istiod' } });
  if (listed.kind === 'refused') return listed;
  const isReady = (pod: unknown): boolean =>
    podSchema.parse(pod).status.conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
  return { pods: listed.objects.filter(isReady).map(({ metadata }) => metadata.name) };
}

/** Over as few connections as may be, closed at the end. Throws `ClusterUnavailable`. */
export async function askingIstiod<Answer>(
  cluster: Cluster,
  { namespace, pod }: { readonly namespace: string; readonly pod: string },
  questions: (ask: Ask) => Promise<Answer>,
): Promise<Answer> {
  const door = cluster.door({ namespace, pod, port: DEBUG_PORT });
  try {
    return await questions(async (path, read) => {
      const answer = await door.get(path);
      if (answer.kind === 'refused') return answer;
      if (answer.status === 200) return { value: understood(path, () => read(answer.body)) };
      const message = `istiod answers ${answer.status} to ${path}: ${answer.body.slice(0, 200)}`;
      return { kind: 'refused', status: answer.status, message };
    });
  } finally {
    door.close();
  }
}

function understood<Value>(path: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw new ClusterUnavailable(`What istiod answers to ${path} is not understood.`, { cause: error });
  }
}
