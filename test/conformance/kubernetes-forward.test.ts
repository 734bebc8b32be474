/** Asking a pod through a real API server: the WebSocket of `pods/portforward`, connections that are kept, and refusals. */
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClusterUnavailable } from '../../src/dataplanes/kubernetes/cluster.ts';
import { until } from '../e2e/until.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { type Kubelet, startKubelet } from './kubelet.ts';
import { connector } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('etcd', 'kube-apiserver');

describe.skipIf(!have)('a door to a pod', () => {
  let api: ApiServer;
  let kubelet: Kubelet;
  let connections = 0;
  const LARGE = 'x'.repeat(300_000);
  const pod = createServer((request, response) => {
    if (request.url === '/large') response.end(LARGE);
    else response.writeHead(request.url === '/none' ? 404 : 200).end(`you asked ${request.url}`);
  });
  pod.on('connection', () => {
    connections += 1;
  });
  const to = { namespace: 'default', pod: 'istiod-0', port: 15_014 };

  beforeAll(async () => {
    await new Promise<void>((resolve) => pod.listen(0, '127.0.0.1', resolve));
    const address = pod.address();
    api = await startApiServer();
    kubelet = await startKubelet(api, (_pod, port) =>
      port === to.port && typeof address === 'object' && address ? address.port : `nobody listens on ${port}`,
    );
    const spec = { nodeName: kubelet.node, containers: [{ name: 'discovery', image: 'istiod' }] };
    await api.admin.mustApply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: to.pod, namespace: to.namespace }, spec });
  });
  afterAll(async () => {
    pod.close();
    await kubelet?.stop();
    await api?.stop();
  });

  it('answers as the pod does, over a connection that is kept until the door is closed', async () => {
    const door = connector(api).door(to);
    expect(await door.get('/debug/syncz?x=1')).toEqual({ kind: 'answered', status: 200, body: 'you asked /debug/syncz?x=1' });
    expect(await door.get('/none')).toMatchObject({ status: 404 });
    expect(await door.get('/large')).toEqual({ kind: 'answered', status: 200, body: LARGE });
    expect([kubelet.forwarded(), connections]).toEqual([1, 1]);
    for (const round of ['a', 'b', 'c']) {
      const paths = ['1', '2', '3', '4'].map((each) => `/${round}${each}`);
      const answers = await Promise.all(paths.map((path) => door.get(path)));
      expect(answers.map((answer) => 'body' in answer && answer.body)).toEqual(paths.map((path) => `you asked ${path}`));
    }
    expect(connections).toBe(4);
    door.close();
    const noConnection = (): Promise<boolean> => new Promise((resolve) => pod.getConnections((_, count) => resolve(count === 0)));
    await until('the pod has no connection any more', noConnection);
  });

  it('says which permission is missing', async () => {
    const token = await api.user('forwards-nothing', [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }]);
    expect(await connector(api, token).door(to).get('/')).toEqual({
      kind: 'refused',
      status: 403,
      message: 'The API server does not let meshwright get and create pods/portforward in default; grant it there.',
    });
    const rules = [{ apiGroups: [''], resources: ['pods/portforward'], verbs: ['get', 'create'] }];
    const door = connector(api, await api.user('forwards', rules)).door(to);
    expect(await door.get('/')).toMatchObject({ kind: 'answered', status: 200 });
    door.close();
  });

  it('throws what the kubelet says of a port where nobody listens, and of a pod that is not there', async () => {
    const closed = connector(api).door({ ...to, port: 1 });
    await expect(closed.get('/')).rejects.toThrow('default/istiod-0, port 1 could not be asked: nobody listens on 1.');
    const gone = connector(api).door({ ...to, pod: 'gone' });
    await expect(gone.get('/')).rejects.toThrow(ClusterUnavailable);
  });
});
