/**
 * The pods of a Linkerd mesh on a real API server that has no controllers: what a controller manager, a kubelet and Linkerd's injector do of them is
 * done here. A Deployment whose template changes gets a new pod, which begins with the roots of the moment, and the old one goes once that is ready.
 */
import { z } from 'zod';
import type { JsonObject } from '../../src/journal/documents.ts';
import { until } from '../e2e/until.ts';
import type { ApiServer } from './api-server.ts';
import type { KubeObject } from './kube-client.ts';
import { startKubelet } from './kubelet.ts';
import { IDENTITIES, type Identity, LINKERD_NAMESPACE, startIdentity } from './linkerd-identity.ts';
import { type LinkerdProxy, startLinkerdProxy } from './linkerd-proxy.ts';
import { type Running, startingTogether, stopping } from './process.ts';
import { secretVolume } from './secret-volume.ts';

const LOOK_MS = 100;
const ADMIN_PORT = 4191;
const GRPC_PORT = 8080;
const MERGE = 'application/merge-patch+json';

const deploymentSchema = z.object({
  metadata: z.object({ uid: z.string(), generation: z.number() }),
  spec: z.object({ template: z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()).default({}) }) }) }),
  status: z.object({ observedGeneration: z.number().default(0) }).default({ observedGeneration: 0 }),
});
const configMapSchema = z.object({ data: z.record(z.string(), z.string()) });
const identified = z.object({ metadata: z.object({ uid: z.string() }) });

interface Pod {
  readonly name: string;
  readonly namespace: string;
  readonly proxy: LinkerdProxy;
  readonly identity: Identity | undefined;
  /** Calls that it makes or takes. */
  inFlight: number;
}

export interface Tally {
  readonly calls: number;
  readonly failures: readonly string[];
}

export interface Calling {
  /** So far. */
  lost(): number;
  stop(): Promise<Tally>;
}

export interface LinkerdPods extends Running {
  /** Of one pod; resolves once that is ready. `component`: of the control plane. */
  deploy(namespace: string, name: string, component?: string): Promise<void>;
  /** A pod that nothing makes anew; a second time: another in its place. */
  bare(namespace: string, name: string): Promise<void>;
  /** A rollout of it does not go on. */
  hold(name: string): void;
  release(name: string): void;
  /** A handshake for each call, one after another, until it is stopped. */
  calls(from: string, to: string): Calling;
}

interface Placed {
  readonly namespace: string;
  readonly name: string;
  readonly component: string | undefined;
  generation: number;
  pod: Pod | undefined;
}

/** The ConfigMap and the Secret have to be there. */
export function linkerdPods(api: ApiServer, { leafSeconds }: { readonly leafSeconds: number }): Promise<LinkerdPods> {
  return startingTogether(async (started) => {
    const volume = started.add(await secretVolume(api, LINKERD_NAMESPACE, 'linkerd-identity-issuer'));
    const ports = new Map<string, ReadonlyMap<number, number>>();
    const kubelet = started.add(await startKubelet(api, (pod, port) => ports.get(pod)?.get(port) ?? `nobody listens on ${port}`));
    const placed = new Map<string, Placed>();
    const held = new Set<string>();

    const running = (name: string): Pod => {
      const pod = placed.get(name)?.pod;
      if (!pod) throw new Error(`There is no pod of ${name}.`);
      return pod;
    };
    const identityPort = (): number => running('linkerd-identity').identity?.port ?? 0;
    const bundle = async (): Promise<string> => {
      const { body } = await api.admin.ask('GET', `/api/v1/namespaces/${LINKERD_NAMESPACE}/configmaps/linkerd-identity-trust-roots`);
      return configMapSchema.parse(body).data['ca-bundle.crt'] ?? '';
    };

    async function status(object: KubeObject, of: JsonObject): Promise<void> {
      const answer = await api.admin.ask('PATCH', await api.admin.pathOf(object, 'status'), { status: of }, MERGE);
      if (answer.status !== 200) throw new Error(`${object.kind} ${object.metadata.name}: ${JSON.stringify(answer.body)}`);
    }

    /** As the injector and a kubelet do: its roots are those of now. */
    async function begin({ namespace, name, component }: Placed, podName: string, metadata: JsonObject): Promise<Pod> {
      const roots = await bundle();
      const identity = component === 'identity' ? await startIdentity(api, { roots, issuer: volume.folder, leafSeconds }) : undefined;
      const anchors = 'LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS';
      const env = [
        { name: '_l5d_ns', value: LINKERD_NAMESPACE },
        { name: '_l5d_trustdomain', value: 'cluster.local' },
        component === undefined
          ? { name: anchors, value: roots }
          : { name: anchors, valueFrom: { configMapKeyRef: { name: 'linkerd-identity-trust-roots', key: 'ca-bundle.crt' } } },
      ];
      const labels = { app: name, ...(component === undefined ? {} : { 'linkerd.io/control-plane-component': component }) };
      const object = { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name: podName, labels, ...metadata } };
      const admin = [{ name: 'linkerd-admin', containerPort: ADMIN_PORT }];
      const containers = [{ name: 'linkerd-proxy', image: 'linkerd-proxy', env, ports: admin }];
      await api.admin.mustApply({ ...object, spec: { nodeName: kubelet.node, serviceAccountName: name, containers } });
      const token = await api.serviceAccountToken(namespace, name, 'identity.l5d.io');
      const own = identity?.port;
      const proxy = await startLinkerdProxy({
        name: `${name}.${namespace}.serviceaccount.${IDENTITIES}`,
        roots,
        token,
        identity: () => own ?? identityPort(),
      });
      ports.set(podName, new Map([[ADMIN_PORT, proxy.port], ...(own === undefined ? [] : [[GRPC_PORT, own] as const])]));
      const state = { running: {} };
      await status(object, {
        phase: 'Running',
        conditions: [{ type: 'Ready', status: 'True' }],
        containerStatuses: [{ name: 'linkerd-proxy', image: 'linkerd-proxy', imageID: '', ready: true, restartCount: 0, state }],
      });
      return { name: podName, namespace, proxy, identity, inFlight: 0 };
    }

    /** It is marked first, answers what it was asked, and is gone then. */
    async function end(pod: Pod, marked: () => Promise<void> = async () => {}): Promise<void> {
      const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`;
      await api.admin.ask('DELETE', path);
      await marked();
      await until(`${pod.name} is asked nothing any more`, () => pod.inFlight === 0);
      await pod.proxy.stop();
      await pod.identity?.stop();
      await api.admin.ask('DELETE', `${path}?gracePeriodSeconds=0`);
      ports.delete(pod.name);
    }

    const deploymentOf = ({ namespace, name }: Placed) => ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { namespace, name } });

    /** As a Deployment's controller does where one more pod than it has may run. */
    async function follow(each: Placed): Promise<void> {
      const deployment = deploymentOf(each);
      const { body } = await api.admin.ask('GET', await api.admin.pathOf(deployment));
      const { metadata, spec } = deploymentSchema.parse(body);
      if (metadata.generation === each.generation || held.has(each.name)) return;
      const name = `${each.name}-${metadata.generation}`;
      const above = { apiVersion: 'apps/v1', kind: 'Deployment', name: each.name, uid: metadata.uid, controller: true };
      const set = { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { namespace: each.namespace, name, ownerReferences: [above] } };
      await api.admin.mustApply({ ...set, spec: { replicas: 1, ...podTemplate(each.name) } });
      const { uid } = identified.parse((await api.admin.ask('GET', await api.admin.pathOf(set))).body).metadata;
      const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid, controller: true };
      const before = each.pod;
      each.pod = await begin(each, name, { annotations: spec.template.metadata.annotations, ownerReferences: [owner] });
      each.generation = metadata.generation;
      const counts = { replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 };
      const settled = () => status(deployment, { observedGeneration: metadata.generation, ...counts });
      await (before ? end(before, settled) : settled());
    }

    let over = false;
    const problems: unknown[] = [];
    const following = (async () => {
      while (!over) {
        // A bare pod has no generation to follow.
        for (const each of placed.values()) if (each.generation >= 0) await follow(each).catch((error) => problems.push(error));
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
      for (const { pod } of placed.values()) {
        await pod?.proxy.stop();
        await pod?.identity?.stop();
      }
    })();
    started.add(
      stopping(() => {
        over = true;
        return following;
      }),
    );

    async function call(from: string, to: string): Promise<void> {
      const [caller, callee] = [running(from), running(to)];
      caller.inFlight += 1;
      callee.inFlight += 1;
      try {
        await caller.proxy.call(callee.proxy);
      } finally {
        caller.inFlight -= 1;
        callee.inFlight -= 1;
      }
    }

    return {
      async deploy(namespace, name, component) {
        const each: Placed = { namespace, name, component, generation: 0, pod: undefined };
        const labelled = { namespace, name, labels: { app: name } };
        await api.admin.mustApply({ ...deploymentOf(each), metadata: labelled, spec: { replicas: 1, ...podTemplate(name) } });
        placed.set(name, each);
        await until(`a pod of ${name} is ready (${problems.map(String)})`, () => each.pod !== undefined);
      },
      async bare(namespace, name) {
        const each = placed.get(name) ?? { namespace, name, component: undefined, generation: -1, pod: undefined };
        const before = each.pod;
        const at = before ? Number(before.name.split('-').at(-1)) + 1 : 1;
        each.pod = await begin(each, `${name}-${at}`, {});
        placed.set(name, each);
        if (before) await end(before);
      },
      hold: (name) => void held.add(name),
      release: (name) => void held.delete(name),
      calls(from, to) {
        let stopped = false;
        const failures: string[] = [];
        let calls = 0;
        const calling = (async () => {
          while (!stopped) {
            calls += 1;
            await call(from, to).catch((error) => failures.push(`${from} to ${to}: ${String(error)}`));
            await new Promise((resolve) => setTimeout(resolve, LOOK_MS / 2));
          }
        })();
        return {
          lost: () => failures.length,
          async stop() {
            stopped = true;
            await calling;
            return { calls, failures };
          },
        };
      },
    };
  });
}

const podTemplate = (name: string) => ({
  selector: { matchLabels: { app: name } },
  template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'app', image: 'app' }] } },
});
