/**
 * Each service of Azure refuses this app with a 403, over real HTTP through the official SDKs: people are told which identity lacks which
 * role, and the command that grants it. The answers are as the services' own documentation and users show them.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, describe, expect, it } from 'vitest';
import { armRefusal } from '../../src/adapters/aks-credentials.ts';
import { anchorBlobs } from '../../src/adapters/anchor-blobs.ts';
import { openCosmosDocuments } from '../../src/adapters/cosmos-documents.ts';
import { deadLetterBlobs, openContainer } from '../../src/adapters/dead-letter-blobs.ts';
import { kubernetesCluster } from '../../src/adapters/kubernetes-cluster.ts';
import { missingClusterRole } from '../../src/adapters/missing-role.ts';
import { poisonQueue } from '../../src/adapters/poison-queue.ts';
import { alarmsOn, openQueue } from '../../src/adapters/queue-alarms.ts';

const OID = '11111111-2222-3333-4444-555555555555';
const CLUSTER = '/subscriptions/s/resourceGroups/shop/providers/Microsoft.ContainerService/managedClusters/west';
const grants = (role: string, scope: string): string =>
  `the identity ${OID} lacks the role "${role}"; give it with \`az role assignment create --role "${role}" --assignee-object-id ${OID} --assignee-principal-type ServicePrincipal --scope "${scope}"\`.`;

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0)) step();
});

async function refusing(answer: (response: ServerResponse) => void): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    answer(response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const at = server.address();
  return `http://127.0.0.1:${typeof at === 'object' && at ? at.port : 0}`;
}

const inJson = (body: object) => (response: ServerResponse) =>
  response.writeHead(403, { 'content-type': 'application/json', 'x-ms-substatus': '5300' }).end(JSON.stringify(body));

const told = (asked: Promise<unknown>): Promise<string> =>
  asked.then(
    () => 'allowed',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

describe('Cosmos DB', () => {
  const blocked = `Request blocked by Auth shop : Request is blocked because principal [${OID}] does not have required RBAC permissions to perform action [Microsoft.DocumentDB/databaseAccounts/readMetadata] on any scope. Learn more: https://aka.ms/cosmos-native-rbac.`;

  async function documents(message: string) {
    const endpoint = await refusing(inJson({ code: 'Forbidden', message }));
    // By its name on this machine, so that the account has one; with a key, since tokens are sent over TLS alone.
    const account = {
      endpoint: endpoint.replace('127.0.0.1', 'localhost'),
      credential: { key: Buffer.from('key').toString('base64') },
      database: 'meshwright',
      container: 'state',
    };
    const opened = await openCosmosDocuments(account, Date.now);
    undo.push(() => opened.close());
    return opened;
  }

  it('names its own role, and the command of its own that grants it', async () => {
    const store = await documents(blocked);
    const sentence = `Cosmos DB does not allow Microsoft.DocumentDB/databaseAccounts/readMetadata: the identity ${OID} lacks the role "meshwright documents"; give it with \`az cosmosdb sql role assignment create --account-name localhost --resource-group "$(az cosmosdb list --query "[?name=='localhost'].resourceGroup" --output tsv)" --role-definition-name "meshwright documents" --principal-id ${OID} --scope "/"\`.`;
    expect(await told(store.read('p', 'x'))).toBe(sentence);
    expect(await told(store.list({ partition: 'p', kind: 'x' }))).toBe(sentence);
    expect(await told(store.due(0, 1))).toBe(sentence);
    const document = { partition: 'p', id: 'x', kind: 'x', ordinal: 0, body: {} };
    expect(await told(store.batch('p', [{ op: 'create', document }]))).toBe(sentence);
  });

  it('speaks of no role where its firewall refuses', async () => {
    const firewall =
      'Request originated from IP 203.0.113.7 through public internet. This is blocked by your Cosmos DB account firewall settings.';
    const said = await told((await documents(firewall)).read('p', 'x'));
    expect(said).toContain('firewall settings');
    expect(said).not.toContain('role');
  });
});

const storageRefuses = (code: string) =>
  refusing((response) =>
    response
      .writeHead(403, { 'content-type': 'application/xml', 'x-ms-error-code': code })
      .end(
        `<?xml version="1.0"?><Error><Code>${code}</Code><Message>This request is not authorized to perform this operation.</Message></Error>`,
      ),
  );
const grantsOnStorage = (role: string): string =>
  grants(role, '$(az storage account show --name shop --query id --output tsv)').replaceAll(OID, '<object id of the identity>');
const sharedKey = async () => {
  const { StorageSharedKeyCredential } = await import('@azure/storage-queue');
  return new StorageSharedKeyCredential('shop', Buffer.from('key').toString('base64'));
};

describe('the queue of alarms', () => {
  const alarm = async (code: string) => {
    const queue = await openQueue(`${await storageRefuses(code)}/shop/alarms`, await sharedKey());
    return told(alarmsOn(queue, Date.now)('service/shop/catalog', Date.now()));
  };

  it('names the role of its messages', async () => {
    const refusal = `The queue alarms of shop takes no message of this app: ${grantsOnStorage('Storage Queue Data Contributor')}`;
    expect(await alarm('AuthorizationPermissionMismatch')).toBe(refusal);
  });

  it('speaks of no role where its firewall refuses', async () => {
    expect(await alarm('AuthorizationFailure')).not.toContain('role');
  });
});

describe('where dead letters lie', () => {
  const places = async (code: string) => {
    const url = await storageRefuses(code);
    return {
      container: deadLetterBlobs(async () => openContainer(`${url}/shop/dead-letters`, await sharedKey())),
      queue: poisonQueue('events-poison', 'events', async () => openQueue(`${url}/shop/events-poison`, await sharedKey())),
    };
  };

  it.each([
    ['container', 'dead-letters', 'Storage Blob Data Contributor'],
    ['queue', 'events-poison', 'Storage Queue Data Contributor'],
  ] as const)('a %s names the role of what is in it', async (kind, name, role) => {
    const place = (await places('AuthorizationPermissionMismatch'))[kind];
    expect(await told(place.list(10))).toBe(`The ${kind} ${name} of shop shows nothing to this app: ${grantsOnStorage(role)}`);
    expect(await told((await places('AuthorizationFailure'))[kind].list(10))).not.toContain('role');
  });
});

describe('the container of anchors', () => {
  const anchored = async (code: string) => {
    const url = `${await storageRefuses(code)}/shop/journal-anchors`;
    return told(anchorBlobs(async () => openContainer(url, await sharedKey())).write('2026-11-22', '{}'));
  };

  it('names the role of its blobs', async () => {
    const refusal = `The container journal-anchors of shop takes no anchor of this app: ${grantsOnStorage('Storage Blob Data Contributor')}`;
    expect(await anchored('AuthorizationPermissionMismatch')).toBe(refusal);
  });

  it('speaks of no role where its firewall refuses', async () => {
    expect(await anchored('AuthorizationFailure')).not.toContain('role');
  });
});

describe('an AKS cluster', () => {
  it('that Azure does not say the way to names the role for that', () => {
    const message = `The client 'x' with object id '${OID}' does not have authorization to perform action 'Microsoft.ContainerService/managedClusters/listClusterUserCredential/action' over scope '${CLUSTER}'.`;
    const refusal = armRefusal(CLUSTER, 403, JSON.stringify({ error: { code: 'AuthorizationFailed', message } }));
    expect(refusal.message).toBe(
      `Azure does not let meshwright read how ${CLUSTER} is reached (${message}): ${grants('Azure Kubernetes Service Cluster User Role', CLUSTER)}`,
    );
  });

  const forbidden = (resource: string, group: string, where: string) => ({
    kind: 'Status',
    status: 'Failure',
    reason: 'Forbidden',
    code: 403,
    message: `${resource}${group && `.${group}`} is forbidden: User "${OID}" cannot list resource "${resource}" in API group "${group}" ${where}: User does not have access to the resource in Azure. Update role assignment to allow access.`,
  });

  async function listed(status: object): Promise<string> {
    const config = new KubeConfig();
    config.loadFromClusterAndUser({ name: 'c', server: await refusing(inJson(status)), skipTLSVerify: true }, { name: 'u', token: 't' });
    const cluster = kubernetesCluster({ config: async () => config, grant: (said) => missingClusterRole(CLUSTER, said) });
    const outcome = await cluster.list({ apiVersion: 'v1', kind: 'Secret', plural: 'secrets' }, { namespace: 'istio-system' });
    return outcome.kind === 'refused' ? outcome.message : outcome.kind;
  }

  it.each([
    ['mesh objects', 'virtualservices', 'networking.istio.io', 'at the cluster scope', CLUSTER],
    ['control plane', 'secrets', '', 'in the namespace "istio-system"', `${CLUSTER}/namespaces/istio-system`],
  ])('that refuses its %s names the role that infra/ makes for them', async (what, resource, group, where, scope) => {
    const definition = `$(az role definition list --custom-role-only --query "[?starts_with(roleName, 'meshwright ${what} of west ')].name" --output tsv)`;
    expect(await listed(forbidden(resource, group, where))).toContain(
      `The identity ${OID} lacks the role "meshwright ${what} of west"; give it with \`az role assignment create --role "${definition}" --assignee-object-id ${OID} --assignee-principal-type ServicePrincipal --scope "${scope}"\``,
    );
  });
});

describe('the roles that are named', () => {
  const infra = (name: string): string => readFileSync(new URL(`../../infra/${name}.bicep`, import.meta.url), 'utf8');

  it.each([
    ['cosmos', "roleName: 'meshwright documents'"],
    ['aks-access', "roleName: 'meshwright mesh objects of $" + '{clusterName} ('],
    ['aks-access', "roleName: 'meshwright control plane of $" + '{clusterName} ('],
    // Built-in roles are assigned by their ids: Storage Queue Data Contributor, Azure Kubernetes Service Cluster User Role.
    ['storage', '974c5e8b-45b9-4653-ba55-5f855dd0fb88'],
    ['aks-access', '4abbcc35-e782-43d8-92c5-2d3f1bd2253f'],
  ])('are those of infra/: %s', (file, role) => {
    expect(infra(file)).toContain(role);
  });
});
