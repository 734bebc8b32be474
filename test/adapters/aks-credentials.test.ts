/** Reaching an AKS cluster: what is asked of Azure and how often, and what is said when Azure refuses. Never run against Azure. */
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { aksConfig } from '../../src/adapters/aks-credentials.ts';
import { ClusterUnavailable } from '../../src/dataplanes/kubernetes/cluster.ts';

const resourceId = '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/west';
const T0 = Date.parse('2026-11-22T14:00:00Z');
const MINUTE = 60_000;

/** As Azure gives it for a cluster with Entra ID: its user runs kubelogin. */
const given = stringify({
  apiVersion: 'v1',
  kind: 'Config',
  clusters: [{ name: 'west', cluster: { server: 'https://west.hcp.westeurope.azmk8s.io:443', 'certificate-authority-data': 'Y2E=' } }],
  users: [{ name: 'clusterUser_g_west', user: { exec: { apiVersion: 'client.authentication.k8s.io/v1beta1', command: 'kubelogin' } } }],
  contexts: [{ name: 'west', context: { cluster: 'west', user: 'clusterUser_g_west' } }],
  'current-context': 'west',
});
const credentials = JSON.stringify({ kubeconfigs: [{ name: 'clusterUser', value: Buffer.from(given).toString('base64') }] });

function azure(answer: () => Response = () => new Response(credentials)) {
  const asked: string[] = [];
  const tokens: string[] = [];
  const clock = { now: T0 };
  const config = aksConfig({
    resourceId,
    now: () => clock.now,
    fetch: async (url, options) => {
      asked.push(`${options?.method} ${url} ${new Headers(options?.headers).get('authorization')}`);
      return answer();
    },
    credential: {
      async getToken(scope) {
        tokens.push(String(scope));
        return { token: `token-${tokens.length}`, expiresOnTimestamp: clock.now + 60 * MINUTE };
      },
    },
  });
  return { config, asked, tokens, clock };
}

const SERVER_SCOPE = '6dae42f8-4368-4678-94ff-3960e28e3630/.default';

describe('an AKS cluster', () => {
  it('is where Azure Resource Manager says, and is signed in to with a token for its server application', async () => {
    const { config, asked, tokens } = azure();
    const found = await config();
    if ('message' in found) throw new Error(found.message);
    expect(asked).toEqual([
      `POST https://management.azure.com${resourceId}/listClusterUserCredential?api-version=2025-10-01&format=exec Bearer token-1`,
    ]);
    expect(tokens).toEqual(['https://management.azure.com/.default', SERVER_SCOPE]);
    expect(found.getCurrentCluster()).toMatchObject({ server: 'https://west.hcp.westeurope.azmk8s.io:443', caData: 'Y2E=' });
    expect(found.getCurrentUser()).toEqual({ name: 'meshwright', token: 'token-2' });
  });

  it('is asked for again after a quarter of an hour, a token five minutes before it ends', async () => {
    const { config, asked, tokens, clock } = azure();
    await config();
    clock.now = T0 + 14 * MINUTE;
    await config();
    expect([asked.length, tokens.length]).toEqual([1, 2]);
    clock.now = T0 + 54 * MINUTE;
    await config();
    expect([asked.length, tokens.length]).toEqual([2, 2]);
    clock.now = T0 + 56 * MINUTE;
    const found = await config();
    expect(tokens).toEqual(['https://management.azure.com/.default', SERVER_SCOPE, SERVER_SCOPE]);
    expect('message' in found ? found : found.getCurrentUser()?.token).toBe('token-3');
  });

  const error = (status: number, message: string) => () => new Response(JSON.stringify({ error: { code: 'x', message } }), { status });

  it('that Azure does not let us read is refused with the role that is missing', async () => {
    const { config } = azure(error(403, 'The client does not have authorization.'));
    expect(await config()).toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(
        /The client does not have authorization\.\): the identity .* lacks the role "Azure Kubernetes Service Cluster User Role"; give it with `az role/,
      ),
    });
    expect(await azure(error(404, 'The resource was not found.')).config()).toMatchObject({
      message: expect.stringContaining('(404): The resource'),
    });
  });

  it('is tried again later when Azure has no time, and soon has', async () => {
    let answer = error(429, 'Too many requests.');
    const { config } = azure(() => answer());
    await expect(config()).rejects.toThrow(ClusterUnavailable);
    answer = () => new Response(credentials);
    expect('message' in (await config())).toBe(false);
  });
});
