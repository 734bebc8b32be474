/** Drift through the app, on a real API server and a real Consul at once: found, said, put back where nobody else owns it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consulOverHttp } from '../../src/adapters/consul-http.ts';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { consulDataPlane } from '../../src/dataplanes/consul/data-plane.ts';
import type { Consul as ConsulPort } from '../../src/dataplanes/consul/server.ts';
import { istioDataPlane } from '../../src/dataplanes/istio/data-plane.ts';
import { RENDERED_KINDS } from '../../src/dataplanes/istio/kinds.ts';
import { words } from '../../src/notifications/words.ts';
import { decidedRevision } from '../../src/reconcile/model.ts';
import { until } from '../e2e/until.ts';
import { MINUTE, serviceFile, World } from '../world.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { type Consul, startConsul } from './consul.ts';
import { connectedFor } from './kubernetes-connector.ts';
import { Started } from './process.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('etcd', 'kube-apiserver', 'consul');
const MESH = {
  path: 'mesh.yaml',
  text: 'apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ndataPlanes:\n  - { name: aks, kind: istio }\n  - { name: vms, kind: consul, defaultPolicy: deny }\n',
};
const PATH = '/apis/networking.istio.io/v1/namespaces/shop/virtualservices/catalog';

describe.skipIf(!have)('drift of a service on Istio and Consul', () => {
  const started = new Started();
  let api: ApiServer;
  let consul: Consul;
  let port: ConsulPort;
  let world: World;

  beforeAll(async () => {
    [api, consul] = await Promise.all([startApiServer('istio'), startConsul('deny')]);
    started.add(api);
    started.add(consul);
    await api.namespace('shop');
    // Without an endpoint of v1 nothing would be given to a service whose requests go their own way until then.
    const metadata = { name: 'catalog-v1', namespace: 'shop' };
    const spec = { address: '192.0.2.1', labels: { app: 'catalog', version: 'v1' } };
    await api.admin.mustApply({ apiVersion: 'networking.istio.io/v1', kind: 'WorkloadEntry', metadata, spec });
    const cluster = await connectedFor(api, RENDERED_KINDS);
    const documents = new MemoryDocuments();
    const options = { documents, controlPlaneNamespace: 'istio-system', takeOver: false, observe: false };
    const decided = (of: string, service: string) => decidedRevision(documents, of, service);
    port = consulOverHttp({ address: consul.url, token: () => consul.managementToken });
    world = new World({
      documents,
      connect: (_mesh, { kind }) =>
        kind === 'istio'
          ? istioDataPlane({ cluster, ...options })
          : consulDataPlane(port, { defaultPolicy: 'deny', takeOver: false, decided }),
    });
    await world.apply(MESH, serviceFile('catalog', 'namespace: shop\nrollout: canary'));
    await atRest();
  });
  afterAll(() => started.stop());

  /** Where nobody sees proxies, what was applied counts half a minute later. */
  async function atRest(): Promise<void> {
    await until('nothing is owed', async () => {
      await world.after(MINUTE);
      return (await world.owed('catalog')).length === 0;
    });
  }
  const outcomes = async () => (await world.app.lookForDrift()).map(({ dataPlane, outcome }) => `${dataPlane} ${outcome}`);
  /** Since it was last asked. */
  const told = () => world.cards.splice(0).map((card) => words(card).sentence);
  const isThere = async () => (await api.admin.ask('GET', PATH)).status === 200;

  it('is none at rest', async () => {
    told();
    expect(await outcomes()).toEqual(['aks none', 'vms none']);
    expect(told()).toEqual([]);
  });

  it('that somebody made by deleting is put back on that data plane, and told twice', async () => {
    expect((await api.admin.ask('DELETE', PATH)).status).toBe(200);
    expect(await outcomes()).toEqual(['aks drift', 'vms none']);
    expect(await isThere()).toBe(true);
    await atRest();
    expect(told()).toEqual([
      'aks does not have what was decided for catalog. VirtualService shop/catalog is gone; who deleted it is not kept. What nobody else owns is put back.',
      'aks has what was decided for catalog again.',
    ]);
    expect(await outcomes()).toEqual(['aks none', 'vms none']);
  });

  it('that another manager made is left to it and said once; in Consul it is put back meanwhile', async () => {
    const change = [{ op: 'replace', path: '/spec/http/0/route/0/weight', value: 7 }];
    await api.admin.ask('PATCH', `${PATH}?fieldManager=kubectl-edit`, change, 'application/json-patch+json');
    const resolver = await port.read('service-resolver', 'catalog');
    if (resolver.kind !== 'found') throw new Error('There is no resolver.');
    await consul.mustWrite({ ...resolver.entry, ConnectTimeout: '9s' });
    expect(await outcomes()).toEqual(['aks drift', 'vms drift']);
    expect(told().toSorted()).toEqual([
      expect.stringMatching(
        /^aks .* spec\.http\[0\]\.route\[0\]\.weight of VirtualService shop\/catalog is 7 .* kubectl-edit \(Update, .* UTC\)\. kubectl-edit owns it/,
      ),
      expect.stringMatching(/^vms .* ConnectTimeout of service-resolver catalog is "9s" and should not be there; .* put back\.$/),
      'vms has what was decided for catalog again.',
    ]);
    expect(await outcomes()).toEqual(['aks drift', 'vms none']);
    expect(told()).toEqual([]);
    expect(await world.owed('catalog')).toEqual([]);
    const journal = (await world.app.history('shop', 'catalog', 0, 100)).flatMap(({ events }) => events.map(({ type }) => type));
    expect(journal.filter((type) => type.startsWith('Drift'))).toEqual([
      'DriftFound',
      'DriftGone',
      'DriftFound',
      'DriftFound',
      'DriftGone',
    ]);
  });

  it('of a cluster that is away is unknown, and of the other it is known', async () => {
    await api.stop();
    expect(await world.app.lookForDrift()).toMatchObject([
      { dataPlane: 'aks', outcome: 'unknown', because: expect.stringContaining('could not be asked') },
      { dataPlane: 'vms', outcome: 'none' },
    ]);
    expect((await world.app.service('shop', 'catalog'))?.drift.map(({ dataPlane }) => dataPlane)).toEqual(['aks']);
  });
});
