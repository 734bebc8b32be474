/**
 * A Kubernetes API server over HTTPS: the `Cluster` that data planes apply to and observe. Every call has a time-out, none is
 * repeated here. Who we are and whom we trust comes from the official client's `KubeConfig`, asked anew for each call, since
 * tokens expire.
 */
import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import type { KubeConfig } from '@kubernetes/client-node';
import { z } from 'zod';
import {
  type ApplyOutcome,
  type Cluster,
  ClusterUnavailable,
  type DeleteOutcome,
  FIELD_MANAGER,
  type FieldPath,
  type GetOutcome,
  type KubernetesObject,
  type ListOutcome,
  nameOf,
  type ObjectName,
  objectSchema,
  type Permission,
  type PodPort,
  REMOVING_MANAGER,
  type Refused,
  type RemoveOutcome,
  type ResourceKind,
} from '../dataplanes/kubernetes/cluster.ts';
import { exchange, explained } from './http-exchange.ts';
import { applyOutcome, contentOf, deleteOutcome, getOutcome, type HttpAnswer, refused, removeOutcome } from './kubernetes-answers.ts';
import { podDoor, whyForbidden } from './pod-door.ts';
import { ForwardForbidden, forwardedPort } from './port-forward.ts';

const PAGE = 500;
/** Half a million objects: whatever names more is no cluster. */
const MOST_PAGES = 1_000;
/** A resourceVersion that no object ever has (etcd counts from 1, and begins with its own): whatever is there, it is not this. */
const NEVER_THERE = '1';
const TOKEN_S = 600;
const TOKEN_REQUEST: ResourceKind = { apiVersion: 'v1', kind: 'TokenRequest', plural: 'serviceaccounts/token' };

export interface ClusterAccess {
  /** Its current context is the cluster. Rejects when it may go better later. */
  readonly config: () => Promise<KubeConfig | Refused>;
  /** Of each request to the API server, and to a pod. */
  readonly timeoutMs?: number;
  /** How Azure grants what it was said to refuse; left out where the cluster holds its own permissions. */
  readonly grant?: (said: string) => string;
}

/** What certificates need beside that: to be somebody for a moment, and to speak another protocol than HTTP to a pod. */
export interface SpeakingCluster extends Cluster {
  /** A token of a service account for `audience`, good for ten minutes, the shortest there is (TokenRequest). */
  token(account: ObjectName, audience: string): Promise<{ readonly kind: 'token'; readonly token: string } | Refused>;
  /** The caller destroys it. Throws `ClusterUnavailable`. */
  stream(to: PodPort): Promise<{ readonly kind: 'open'; readonly stream: Duplex } | Refused>;
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly contentType?: string;
}

const listSchema = z.object({
  metadata: z.object({ continue: z.string().default('') }).default({ continue: '' }),
  items: z.array(objectSchema),
});
const groupSchema = z.object({ versions: z.array(z.object({ groupVersion: z.string() })) });
const tokenSchema = z.object({ status: z.object({ token: z.string().min(1) }) });
const reviewSchema = z.object({ status: z.object({ allowed: z.boolean() }) });

export function kubernetesCluster({ config, timeoutMs = 10_000, grant }: ClusterAccess): SpeakingCluster {
  const agents = { 'https:': new https.Agent({ keepAlive: true }), 'http:': new http.Agent({ keepAlive: true }) };

  async function access(): Promise<KubeConfig | Refused> {
    try {
      return await config();
    } catch (error) {
      throw new ClusterUnavailable(`It is not known how to reach the API server: ${explained(error, timeoutMs)}`, { cause: error });
    }
  }

  /** Rejects with `ClusterUnavailable` when there is no whole answer in time. */
  async function send(
    { method, path, query = {}, body, contentType = 'application/json' }: Call,
    what: string,
  ): Promise<HttpAnswer | Refused> {
    const kubeConfig = await access();
    if ('message' in kubeConfig) return kubeConfig;
    const server = kubeConfig.getCurrentCluster();
    if (!server) throw new Error('The kubeconfig has no cluster in its current context.');
    const url = new URL(server.server.replace(/\/$/, '') + path);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    const options: https.RequestOptions = {};
    await kubeConfig.applyToHTTPSOptions(options);
    // A proxy is the client's business; without one its agent would open a connection a call.
    const agent = server.proxyUrl ? options.agent : agents[url.protocol === 'http:' ? 'http:' : 'https:'];
    const text = body === undefined ? undefined : JSON.stringify(body);
    // Node gives a DELETE no length of its own, and its body would be read as the next request.
    const length = text === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(text) };
    const headers = { accept: 'application/json', 'user-agent': FIELD_MANAGER, ...length, ...options.headers };
    const request = { ...options, method, headers, agent, signal: AbortSignal.timeout(timeoutMs) };
    try {
      const answer = await exchange(url, request, text);
      return grant ? { ...answer, grant } : answer;
    } catch (error) {
      throw new ClusterUnavailable(`The API server at ${url.host} could not be asked to ${what}: ${explained(error, timeoutMs)}.`, {
        cause: error,
      });
    }
  }

  const served = async ({ apiVersion }: ResourceKind): Promise<readonly string[]> => {
    const [group, version] = apiVersion.split('/');
    if (version === undefined) return [];
    const answer = await send({ method: 'GET', path: `/apis/${group}` }, `name the versions of ${group}`);
    return 'body' in answer && answer.status === 200
      ? contentOf(groupSchema, answer, `name the versions of ${group}`).versions.map(({ groupVersion }) => groupVersion)
      : [];
  };

  async function may({ verb, group, resource, subresource, namespace }: Permission): Promise<boolean> {
    const resourceAttributes = { verb, group, resource, ...(subresource ? { subresource } : {}), ...(namespace ? { namespace } : {}) };
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } };
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    const what = 'say what meshwright may do';
    const answer = await send({ method: 'POST', path, body }, what);
    return 'body' in answer && answer.status === 201 && contentOf(reviewSchema, answer, what).status.allowed;
  }

  return {
    async apply({ kind, metadata, content }, { over, force, dryRun }): Promise<ApplyOutcome> {
      const what = `${dryRun ? 'try' : 'apply'} ${nameOf(kind, metadata)}`;
      const state = over === 'absent' ? { resourceVersion: NEVER_THERE } : { resourceVersion: over.resourceVersion, uid: over.uid };
      const body = { apiVersion: kind.apiVersion, kind: kind.kind, metadata: { ...metadata, ...state }, ...content };
      const query = { fieldManager: FIELD_MANAGER, force: String(force), ...(dryRun ? { dryRun: 'All' } : {}) };
      const contentType = 'application/apply-patch+yaml';
      const answer = await send({ method: 'PATCH', path: pathOf(kind, metadata), query, body, contentType }, what);
      return 'body' in answer ? applyOutcome(answer, what, kind, () => served(kind)) : answer;
    },

    async get(kind, name): Promise<GetOutcome> {
      const what = `read ${nameOf(kind, name)}`;
      const answer = await send({ method: 'GET', path: pathOf(kind, name) }, what);
      return 'body' in answer ? getOutcome(answer, what, kind, () => served(kind)) : answer;
    },

    async remove(kind, { metadata }, fields): Promise<RemoveOutcome> {
      const what = `take fields out of ${nameOf(kind, metadata)}`;
      // Items of a list from its end, so that the places of the others stay as they are.
      const removals = fields.toSorted(lastFirst).map((path) => ({ op: 'remove', path: pointerOf(path) }));
      const body = [{ op: 'replace', path: '/metadata/resourceVersion', value: metadata.resourceVersion }, ...removals];
      const query = { fieldManager: REMOVING_MANAGER };
      const answer = await send(
        { method: 'PATCH', path: pathOf(kind, metadata), query, body, contentType: 'application/json-patch+json' },
        what,
      );
      return 'body' in answer ? removeOutcome(answer, what, kind, () => served(kind)) : answer;
    },

    async list(kind, { namespace, labels = {} }): Promise<ListOutcome> {
      const what = `list ${kind.plural}`;
      const labelSelector = Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(',');
      const objects: KubernetesObject[] = [];
      let next = '';
      for (let page = 0; page < MOST_PAGES; page += 1) {
        const query = { limit: String(PAGE), ...(labelSelector ? { labelSelector } : {}), ...(next ? { continue: next } : {}) };
        const answer = await send({ method: 'GET', path: pathOf(kind, namespace === undefined ? {} : { namespace }), query }, what);
        if ('message' in answer) return answer;
        if (answer.status === 410) throw new ClusterUnavailable(`${kind.plural} changed too fast to be listed.`);
        if (answer.status !== 200) return refused(answer, what, kind, () => served(kind));
        const { items, metadata } = contentOf(listSchema, answer, what);
        objects.push(...items);
        if (metadata.continue === '') return { kind: 'listed', objects };
        if (metadata.continue === next) break;
        next = metadata.continue;
      }
      throw new ClusterUnavailable(`The API server names ever more pages of ${kind.plural}, and there is no end to them.`);
    },

    async delete(kind, { metadata }): Promise<DeleteOutcome> {
      const what = `delete ${nameOf(kind, metadata)}`;
      const body = { preconditions: { uid: metadata.uid, resourceVersion: metadata.resourceVersion } };
      const answer = await send({ method: 'DELETE', path: pathOf(kind, metadata), body }, what);
      return 'body' in answer ? deleteOutcome(answer, what, kind, () => served(kind)) : answer;
    },

    may,

    async token({ namespace, name }, audience) {
      const what = `request a token of the service account ${namespace}/${name}`;
      const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(name)}/token`;
      const spec = { audiences: [audience], expirationSeconds: TOKEN_S };
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
      const answer = await send({ method: 'POST', path, body }, what);
      if ('message' in answer) return answer;
      if (answer.status !== 201) return refused(answer, what, TOKEN_REQUEST, async () => []);
      return { kind: 'token', token: contentOf(tokenSchema, answer, what).status.token };
    },

    async stream(to) {
      try {
        return { kind: 'open', stream: await forwardedPort(await access(), to) };
      } catch (error) {
        if (error instanceof ForwardForbidden)
          return { kind: 'refused', status: 403, message: error.said ?? (await whyForbidden(to, may)) };
        const where = `${to.namespace}/${to.pod}, port ${to.port}`;
        throw new ClusterUnavailable(`${where} could not be reached: ${explained(error, timeoutMs)}.`, { cause: error });
      }
    },
    door: (to) => podDoor({ to, dial: async (at) => forwardedPort(await access(), at), timeoutMs, may }),
  };
}

const pathOf = ({ apiVersion, plural }: ResourceKind, { namespace, name }: Partial<ObjectName>): string =>
  [
    apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`,
    ...(namespace ? ['namespaces', encodeURIComponent(namespace)] : []),
    plural,
    ...(name === undefined ? [] : [encodeURIComponent(name)]),
  ].join('/');

/** RFC 6901. */
const pointerOf = (path: FieldPath): string =>
  path.map((segment) => `/${String(segment).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

function lastFirst(a: FieldPath, b: FieldPath): number {
  const apart = a.findIndex((segment, index) => segment !== b[index]);
  const [left, right] = [a[apart], b[apart]];
  return typeof left === 'number' && typeof right === 'number' ? right - left : 0;
}
