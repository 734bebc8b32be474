/** Import from servers that run: what a real API server and a real Consul give back is read as the files that went in are. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { importMesh } from '../../src/import/import-mesh.ts';
import { objectsIn } from '../../src/import/objects.ts';
import { listMesh, readConsulMesh } from '../../src/mesh-reading.ts';
import { startApiServer } from './api-server.ts';
import { startConsul } from './consul.ts';
import type { KubeObject } from './kube-client.ts';
import { connector } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const CASES = join(import.meta.dirname, '../import/cases');
const haveApi = await haveServers('etcd', 'kube-apiserver');
const haveConsul = await haveServers('consul');

const objectSchema = z
  .object({
    apiVersion: z.string(),
    kind: z.string(),
    metadata: z.object({ name: z.string(), namespace: z.string().exactOptional() }).catchall(z.json()),
  })
  .catchall(z.json());

async function objectsOf(file: string): Promise<readonly KubeObject[]> {
  const documents = parseAllDocuments(await readFile(join(CASES, file), 'utf8')).map((document): unknown => document.toJS());
  return documents.map((value) => objectSchema.parse(value));
}

describe.skipIf(!haveApi)('a real API server', () => {
  it('is read as the files are that it was given, in every namespace, of every kind that is installed', async () => {
    await using api = await startApiServer('istio', 'osm');
    for (const namespace of ['shop', 'istio-system']) await api.namespace(namespace);
    const given = [...(await objectsOf('istio/routing.yaml')), ...(await objectsOf('istio/security.yaml'))];
    await api.admin.mustApply(...given);
    const { values, missing } = await listMesh(connector(api));
    expect(missing).toEqual([]);
    const read = objectsIn('cluster', values);
    expect(read.unreadable).toEqual([]);
    const fromFiles = importMesh(objectsIn('files', given).objects, { mesh: 'shop' });
    const fromServer = importMesh(read.objects, { mesh: 'shop' });
    // The server says which VirtualService is older: it was applied first.
    expect(fromServer.files).toEqual(fromFiles.files);
    expect(fromServer.findings.filter(({ object }) => object.kind === 'AuthorizationPolicy').map(({ message }) => message)).toEqual(
      fromFiles.findings.filter(({ object }) => object.kind === 'AuthorizationPolicy').map(({ message }) => message),
    );
  });

  it('that does not let a kind be listed is a line of the report, and the rest is read', async () => {
    await using api = await startApiServer('istio');
    await api.namespace('shop');
    await api.admin.mustApply(...(await objectsOf('istio/routing.yaml')));
    const rules = [
      { apiGroups: ['networking.istio.io', ''], resources: ['virtualservices', 'destinationrules', 'services'], verbs: ['list'] },
    ];
    const { values, missing } = await listMesh(connector(api, await api.user('importer', rules)));
    expect(missing).toContainEqual(expect.stringMatching(/authorizationpolicies/));
    expect(importMesh(objectsIn('cluster', values).objects, { mesh: 'shop' }).services.map(({ name }) => name)).toContain('catalog');
  });
});

describe.skipIf(!haveConsul)('a real Consul', () => {
  it.each(['allow', 'deny'] as const)('is read with its entries, and its default for the rest: %s', async (policy) => {
    await using consul = await startConsul(policy);
    const entries = z
      .array(z.record(z.string(), z.json()))
      .parse(JSON.parse(await readFile(join(CASES, 'consul', 'entries.json'), 'utf8')));
    // Consul takes no route to a service that speaks no HTTP, as far as it knows.
    await consul.mustWrite({ Kind: 'service-defaults', Name: 'reports', Protocol: 'http' }, ...entries);
    const reading = await readConsulMesh(consul.url, consul.managementToken);
    expect(reading.defaultPolicy).toBe(policy);
    const options = { mesh: 'pay', consulDefault: policy };
    const read = importMesh(objectsIn('consul', reading.values).objects, options);
    const given = importMesh(objectsIn('files', entries).objects, options);
    expect(read.services.find(({ name }) => name === 'billing')).toEqual(given.services.find(({ name }) => name === 'billing'));
  });

  it('whose token may not read everything is said, since Consul leaves the rest out of its lists without a word', async () => {
    await using consul = await startConsul('deny');
    await consul.mustWrite({ Kind: 'service-defaults', Name: 'reports', Protocol: 'http' });
    const reading = await readConsulMesh(consul.url, await consul.user('nobody', ''));
    expect(reading).toEqual({ values: [], missing: [expect.stringMatching(/the token may not ask/)] });
  });
});
