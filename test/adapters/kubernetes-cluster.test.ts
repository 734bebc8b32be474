/** The connector against a server that answers as API servers do when they are not well; a well one is in test/conformance. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, describe, expect, it } from 'vitest';
import { noAccess } from '../../src/adapters/kubernetes-answers.ts';
import { kubernetesCluster } from '../../src/adapters/kubernetes-cluster.ts';
import { type Cluster, ClusterUnavailable, type DesiredObject } from '../../src/dataplanes/kubernetes/cluster.ts';
import { PODS } from '../../src/dataplanes/kubernetes/kinds.ts';

const desired: DesiredObject = {
  kind: { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', plural: 'virtualservices' },
  metadata: { namespace: 'shop', name: 'catalog', labels: {}, annotations: {} },
  content: { spec: { hosts: ['catalog'] } },
};
const create = { over: 'absent', force: false, dryRun: false } as const;
const status = (code: number, message: string, more: object = {}) => ({ kind: 'Status', status: 'Failure', message, code, ...more });
const object = (name: string, resourceVersion = '7') => ({ metadata: { name, namespace: 'shop', uid: `uid-${name}`, resourceVersion } });

interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly body: unknown;
}
type Answer = (asked: Asked, response: ServerResponse) => void;

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function answering(answer: Answer, timeoutMs = 10_000): Promise<Cluster> {
  const server = createServer(async (request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const text = Buffer.concat(chunks).toString();
    const body: unknown = text === '' ? undefined : JSON.parse(text);
    answer({ method: request.method ?? '', url: new URL(request.url ?? '/', 'http://server'), body }, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const config = new KubeConfig();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  config.loadFromClusterAndUser({ name: 'c', server: url, skipTLSVerify: true }, { name: 'u', token: 't' });
  return kubernetesCluster({ config: async () => config, timeoutMs });
}

const saying =
  (code: number, body: object | string, headers: Record<string, string> = {}): Answer =>
  (_asked, response) =>
    response.writeHead(code, headers).end(typeof body === 'string' ? body : JSON.stringify(body));

describe('what may go better later', () => {
  it.each<readonly [string, Answer, string]>([
    [
      'too many requests',
      saying(429, status(429, 'slow down'), { 'retry-after': '5' }),
      'has no time to apply VirtualService shop/catalog and asks to wait 5 s',
    ],
    [
      'a webhook that is away',
      saying(500, status(500, 'Internal error occurred: failed calling webhook "rev.validation.istio.io"')),
      'failed calling webhook',
    ],
    ['a gateway in between', saying(503, '<html>Service Unavailable</html>'), '(503): <html>Service Unavailable'],
    ['a connection cut off', (_asked, response) => response.destroy(), 'socket hang up'],
    [
      'an answer cut off',
      (_asked, response) => response.writeHead(200, { 'content-length': '10' }).write('{', () => response.destroy()),
      'aborted',
    ],
  ])('throws: %s', async (_what, answer, message) => {
    const cluster = await answering(answer);
    const applying = cluster.apply(desired, create);
    await expect(applying).rejects.toBeInstanceOf(ClusterUnavailable);
    await expect(applying).rejects.toThrow(message);
  });

  it('throws when there is no answer in time', async () => {
    const cluster = await answering(() => {}, 50);
    await expect(cluster.get(PODS, { namespace: 'shop', name: 'x' })).rejects.toThrow(
      /could not be asked to read Pod shop\/x: no answer in 50 ms/,
    );
  });

  it.each(['<html>Sign in</html>', 'null', '{"items":[{}]}'])('throws when a success is none of an API server: %s', async (body) => {
    const cluster = await answering(saying(200, body));
    await expect(cluster.list(PODS, {})).rejects.toBeInstanceOf(ClusterUnavailable);
    await expect(cluster.get(PODS, { namespace: 'shop', name: 'x' })).rejects.toThrow(
      'was asked to read Pod shop/x, and answers 200 and not as Kubernetes does',
    );
  });

  it('throws when the pages of a list have no end', async () => {
    let asked = 0;
    const page = (next: string) => ({ kind: 'PodList', metadata: { continue: next }, items: [] });
    const repeating = await answering(saying(200, page('again')));
    await expect(repeating.list(PODS, {})).rejects.toThrow('The API server names ever more pages of pods, and there is no end to them.');
    const counting = await answering((_asked, response) => {
      asked += 1;
      response.writeHead(200).end(JSON.stringify(page(`page-${asked}`)));
    });
    await expect(counting.list(PODS, {})).rejects.toBeInstanceOf(ClusterUnavailable);
    expect(asked).toBe(1_000);
  });

  it('throws when a list goes stale between its pages', async () => {
    const cluster = await answering(saying(410, status(410, 'expired', { reason: 'Expired' })));
    await expect(cluster.list(PODS, {})).rejects.toThrow('pods changed too fast to be listed');
  });
});

describe('what is refused', () => {
  it.each<readonly [string, Answer, string]>([
    [
      'a webhook denies it, whatever the status',
      saying(403, status(403, 'admission webhook "aks" denied the request: WorkloadEntry is not supported')),
      'admission webhook "aks" denied the request: WorkloadEntry is not supported',
    ],
    [
      'a webhook finds it invalid',
      saying(400, status(400, 'admission webhook "validation.istio.io" denied the request: weight 101')),
      'weight 101',
    ],
    [
      'a field has the wrong value',
      saying(422, status(422, 'spec.hosts: Required value', { reason: 'Invalid' })),
      'spec.hosts: Required value',
    ],
    [
      'a field has the wrong type',
      saying(500, status(500, 'failed to create typed patch object (shop/catalog): .spec.hosts: expected list')),
      'expected list',
    ],
    [
      'a role is missing',
      saying(403, status(403, 'User "x" cannot patch resource "virtualservices"', { reason: 'Forbidden' })),
      'cannot patch resource "virtualservices". Grant that',
    ],
  ])('is said in the words of who refuses: %s', async (_what, answer, message) => {
    const cluster = await answering(answer);
    expect(await cluster.apply(desired, create)).toMatchObject({ kind: 'refused', message: expect.stringContaining(message) });
  });

  it('is refused before anything is asked where there is nothing to sign in with', async () => {
    const cluster = kubernetesCluster({ config: async () => noAccess('The setting WEST is not set.') });
    const refused = { kind: 'refused', message: 'The setting WEST is not set.' };
    expect(await cluster.apply(desired, create)).toMatchObject(refused);
    expect(await cluster.list(PODS, {})).toMatchObject(refused);
    expect(await cluster.door({ namespace: 'n', pod: 'p', port: 1 }).get('/')).toMatchObject(refused);
  });

  it('names each manager that owns fields, with its fields', async () => {
    const causes = [
      { reason: 'FieldManagerConflict', message: 'conflict with "helm" using networking.istio.io/v1beta1', field: '.spec.hosts' },
      { reason: 'FieldManagerConflict', message: 'conflict with "kubectl-edit"', field: '.spec.http' },
      { reason: 'FieldManagerConflict', message: 'conflict with "helm" using networking.istio.io/v1beta1', field: '.spec.exportTo' },
    ];
    const cluster = await answering(saying(409, status(409, 'Apply failed', { reason: 'Conflict', details: { causes } })));
    expect(await cluster.apply(desired, create)).toMatchObject({
      kind: 'conflict',
      owners: [
        { manager: 'helm', fields: ['.spec.hosts', '.spec.exportTo'] },
        { manager: 'kubectl-edit', fields: ['.spec.http'] },
      ],
    });
  });
});

describe('requests', () => {
  it('list page by page, with labels as a selector', async () => {
    const asked: string[] = [];
    const cluster = await answering(({ url }, response) => {
      asked.push(`${url.pathname}?${url.searchParams}`);
      const last = url.searchParams.get('continue') === 'more';
      response.end(JSON.stringify({ metadata: last ? {} : { continue: 'more' }, items: [object(last ? 'b' : 'a')] }));
    });
    const listed = await cluster.list(PODS, { namespace: 'shop', labels: { app: 'catalog', version: 'v1' } });
    expect(listed.kind === 'listed' && listed.objects.map(({ metadata }) => metadata.name)).toEqual(['a', 'b']);
    expect(asked).toEqual([
      '/api/v1/namespaces/shop/pods?limit=500&labelSelector=app%3Dcatalog%2Cversion%3Dv1',
      '/api/v1/namespaces/shop/pods?limit=500&labelSelector=app%3Dcatalog%2Cversion%3Dv1&continue=more',
    ]);
  });

  it('delete in exactly the state that was seen, on a connection that stays good', async () => {
    const asked: Asked[] = [];
    const cluster = await answering((one, response) => {
      asked.push(one);
      response.end(JSON.stringify(object('a')));
    });
    const found = await cluster.get(PODS, { namespace: 'shop', name: 'a' });
    if (found.kind !== 'found') throw new Error(found.kind);
    expect(await cluster.delete(PODS, found.object)).toEqual({ kind: 'gone' });
    expect(await cluster.get(PODS, { namespace: 'shop', name: 'a' })).toMatchObject({ kind: 'found' });
    expect(asked.map(({ method, body }) => [method, body])).toEqual([
      ['GET', undefined],
      ['DELETE', { preconditions: { uid: 'uid-a', resourceVersion: '7' } }],
      ['GET', undefined],
    ]);
  });

  it('apply as this field manager, in place of exactly one state, by force or for trial only when told', async () => {
    const asked: Asked[] = [];
    const cluster = await answering((one, response) => {
      asked.push(one);
      response.end(JSON.stringify(object('catalog')));
    });
    await cluster.apply(desired, { over: { resourceVersion: '12', uid: 'u-1' }, force: true, dryRun: true });
    await cluster.apply(desired, create);
    expect(asked.map(({ url }) => `${url.searchParams}`)).toEqual([
      'fieldManager=meshwright&force=true&dryRun=All',
      'fieldManager=meshwright&force=false',
    ]);
    expect(asked[0]?.body).toEqual({
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { ...desired.metadata, resourceVersion: '12', uid: 'u-1' },
      spec: { hosts: ['catalog'] },
    });
  });
});
