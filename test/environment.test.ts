/**
 * The app started with each setting missing or wrong: whoever reads the log is told which one it is, in one sentence. What a spec names, such
 * as the setting that holds a webhook's address, is missed by its name when it is used.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { consulOf } from '../src/adapters/consul-data-plane.ts';
import { namedClusters } from '../src/adapters/named-cluster.ts';
import { teamsChannelOf } from '../src/adapters/teams-channel.ts';
import { readSettings, SETTINGS } from '../src/environment.ts';
import { readSpec } from '../src/spec/read-spec.ts';
import { theInstallation } from '../src/wiring.ts';

const folder = await mkdtemp(join(tmpdir(), 'meshwright-settings-'));
afterAll(() => rm(folder, { recursive: true }));
const file = join(folder, 'state.db');
await writeFile(join(folder, 'empty'), '\n');
await writeFile(join(folder, 'token'), 'a-token\n');
await writeFile(join(folder, 'other.db'), 'this is no state');

const COSMOS = { COSMOS__accountEndpoint: 'https://shop.documents.azure.com' };
const ENTRA = { ...COSMOS, MESHWRIGHT_AUTH: 'entra' };
const TENANT = '7b0ad1a6-7e5c-4b0e-9e5f-0d1c2b3a4f55';
const KEY = `events=${'a'.repeat(64)}`;

beforeEach(() => {
  for (const name of Object.keys(process.env).filter((each) => /^(MESHWRIGHT_|COSMOS__|AzureWebJobs)/.test(each)))
    vi.stubEnv(name, undefined);
});
afterEach(() => vi.unstubAllEnvs());

/** What the first use of the app, through the door of every function, throws. */
async function started(settings: Readonly<Record<string, string>>): Promise<string> {
  for (const [name, value] of Object.entries(settings)) vi.stubEnv(name, value);
  return theInstallation().then(
    () => 'started',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

const wrong = (setting: string, advice: string): string => `The setting ${setting} is wrong: ${advice}.`;

describe('the app does not start, and says why', () => {
  it.each<readonly [string, Readonly<Record<string, string>>, string]>([
    ['no state', {}, 'There is no state: set COSMOS__accountEndpoint on Azure, or MESHWRIGHT_STATE_FILE on one machine.'],
    [
      'an empty one',
      { COSMOS__accountEndpoint: '' },
      'There is no state: set COSMOS__accountEndpoint on Azure, or MESHWRIGHT_STATE_FILE on one machine.',
    ],
    [
      'two states',
      { ...COSMOS, MESHWRIGHT_STATE_FILE: file },
      'There are two states: set COSMOS__accountEndpoint on Azure or MESHWRIGHT_STATE_FILE on one machine, not both.',
    ],
    ['an account that is a name', { COSMOS__accountEndpoint: 'shop' }, wrong('COSMOS__accountEndpoint', 'give an https address')],
    [
      'an account in plain text',
      { COSMOS__accountEndpoint: 'http://shop.documents.azure.com' },
      wrong('COSMOS__accountEndpoint', 'give an https address'),
    ],
    [
      'an identity that is a name',
      { ...COSMOS, COSMOS__clientId: 'functions' },
      wrong('COSMOS__clientId', 'give the client id of a managed identity'),
    ],
    ['a database that is a path', { ...COSMOS, COSMOS__database: 'a/b' }, wrong('COSMOS__database', 'give a name without / \\ ? and #')],
    ['a container that is a path', { ...COSMOS, COSMOS__container: 'a?b' }, wrong('COSMOS__container', 'give a name without / \\ ? and #')],
    [
      'a storage account that is an address',
      { ...COSMOS, AzureWebJobsStorage__accountName: 'shop.queue.core.windows.net' },
      wrong('AzureWebJobsStorage__accountName', 'give the name of a storage account, not its address'),
    ],
    [
      'its identity that is a name',
      { ...COSMOS, AzureWebJobsStorage__clientId: 'x' },
      wrong('AzureWebJobsStorage__clientId', 'give the client id of a managed identity'),
    ],
    [
      'anchors without an address',
      { ...COSMOS, MESHWRIGHT_ANCHORS_URL: 'journal-anchors' },
      wrong('MESHWRIGHT_ANCHORS_URL', 'give an https address'),
    ],
    [
      'an audit log by the name of its rule',
      { ...COSMOS, MESHWRIGHT_AUDIT_RULE: 'dcr-journal' },
      wrong('MESHWRIGHT_AUDIT_RULE', 'give the immutable id of a data collection rule, dcr-…'),
    ],
    [
      'an audit log by its table',
      { ...COSMOS, MESHWRIGHT_AUDIT_STREAM: 'MeshwrightJournal_CL' },
      wrong('MESHWRIGHT_AUDIT_STREAM', 'give the name that the rule has for the rows, Custom-…'),
    ],
    [
      'half of an audit log',
      { ...COSMOS, MESHWRIGHT_AUDIT_ENDPOINT: 'https://shop.ingest.monitor.azure.com' },
      'An audit log is named by both: set MESHWRIGHT_AUDIT_ENDPOINT and MESHWRIGHT_AUDIT_RULE, or neither.',
    ],
    ['no way of access that there is', { ...COSMOS, MESHWRIGHT_AUTH: 'anybody' }, wrong('MESHWRIGHT_AUTH', 'write entra, token or none')],
    [
      'no tenants',
      { ...ENTRA, MESHWRIGHT_ENTRA_AUDIENCES: 'api://shop' },
      'MESHWRIGHT_AUTH is "entra": name the tenants in MESHWRIGHT_ENTRA_TENANTS.',
    ],
    [
      'no audience',
      { ...ENTRA, MESHWRIGHT_ENTRA_TENANTS: TENANT },
      'MESHWRIGHT_AUTH is "entra": name the client id of the app registration in MESHWRIGHT_ENTRA_AUDIENCES.',
    ],
    [
      'tenants by their names, said once',
      { ...ENTRA, MESHWRIGHT_ENTRA_TENANTS: 'shop.example,other.example' },
      wrong('MESHWRIGHT_ENTRA_TENANTS', 'give the ids of tenants, with commas between them'),
    ],
    [
      'an audience without end',
      { ...ENTRA, MESHWRIGHT_ENTRA_AUDIENCES: 'x'.repeat(300) },
      wrong('MESHWRIGHT_ENTRA_AUDIENCES', 'give client ids or URIs, of up to 256 letters'),
    ],
    [
      'tokens over plain text',
      { ...ENTRA, MESHWRIGHT_ENTRA_AUTHORITY: 'http://login.example' },
      wrong('MESHWRIGHT_ENTRA_AUTHORITY', 'give an https address'),
    ],
    [
      'a key as it is, and not its hash',
      { ...ENTRA, MESHWRIGHT_DOOR_KEYS: `${KEY},alerts=secret` },
      wrong('MESHWRIGHT_DOOR_KEYS', 'write each key as <door>=<its SHA-256, hex>; the doors are alerts, events, metrics, observations'),
    ],
    [
      'the token of one machine on Azure',
      { ...COSMOS, MESHWRIGHT_AUTH: 'token' },
      'MESHWRIGHT_AUTH "token" is for one machine; with Cosmos DB set it to "entra".',
    ],
    [
      'no token',
      { MESHWRIGHT_STATE_FILE: file, MESHWRIGHT_AUTH: 'token' },
      'MESHWRIGHT_AUTH is "token": name the file that holds it in MESHWRIGHT_TOKEN_FILE.',
    ],
    [
      'a token that is not there',
      { MESHWRIGHT_STATE_FILE: file, MESHWRIGHT_AUTH: 'token', MESHWRIGHT_TOKEN_FILE: join(folder, 'none') },
      'The file that MESHWRIGHT_TOKEN_FILE names cannot be read (ENOENT).',
    ],
    [
      'an empty token',
      { MESHWRIGHT_STATE_FILE: file, MESHWRIGHT_AUTH: 'token', MESHWRIGHT_TOKEN_FILE: join(folder, 'empty') },
      'The file that MESHWRIGHT_TOKEN_FILE names is empty; put a token into it.',
    ],
    [
      'a state file that is something else',
      { MESHWRIGHT_STATE_FILE: join(folder, 'other.db') },
      `${join(folder, 'other.db')} is not a Meshwright state file; move it away or name another path.`,
    ],
    [
      'an xds server that is a host',
      { ...COSMOS, MESHWRIGHT_XDS_URL: 'xds:18001' },
      wrong('MESHWRIGHT_XDS_URL', 'give an address that begins with https:// or http://'),
    ],
    [
      'a page that is a script',
      { ...COSMOS, MESHWRIGHT_URL: 'javascript:alert(1)' },
      wrong('MESHWRIGHT_URL', 'give an address that begins with https:// or http://'),
    ],
    [
      'two at once, with a sentence each',
      { COSMOS__accountEndpoint: 'shop', MESHWRIGHT_AUTH: 'x' },
      `${wrong('COSMOS__accountEndpoint', 'give an https address')} ${wrong('MESHWRIGHT_AUTH', 'write entra, token or none')}`,
    ],
  ])('with %s', async (_what, settings, sentence) => {
    expect(await started(settings)).toBe(sentence);
  });

  it('and starts once they are right: no failure is remembered', async () => {
    expect(await started({ MESHWRIGHT_STATE_FILE: file, MESHWRIGHT_AUTH: 'token' })).not.toBe('started');
    expect(await started({ MESHWRIGHT_TOKEN_FILE: join(folder, 'token') })).toBe('started');
  });

  it('is specified of every setting that can be wrong', () => {
    const bad = Object.fromEntries(SETTINGS.map((name) => [name, '\\not:this\\'.repeat(30)]));
    const free = ['MESHWRIGHT_STATE_FILE', 'MESHWRIGHT_TOKEN_FILE', 'MESHWRIGHT_FAILPOINT_AFTER_COMMIT'];
    let said = '';
    try {
      readSettings(bad);
    } catch (error) {
      said = error instanceof Error ? error.message : '';
    }
    expect(SETTINGS.filter((name) => !said.includes(`The setting ${name} is wrong:`)).sort()).toEqual(free.sort());
  });
});

describe('what a spec names', () => {
  const HEADER = 'apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\n';
  const missing = (): undefined => undefined;

  function meshOf(fields: string) {
    const read = readSpec([{ path: 'mesh.yaml', text: HEADER + fields }]);
    if (!read.ok) throw new Error(JSON.stringify(read.problems));
    return read.mesh;
  }

  it('is missed by its name: the webhook of Teams', async () => {
    const mesh = meshOf('dataPlanes: [{ name: edge, kind: envoy }]\nchannels: { teams: { webhookSetting: TEAMS_URL } }');
    const notice = { id: 'x', mesh: 'shop', topic: 'started', at: 0, data: {} };
    expect(await teamsChannelOf({ MESHWRIGHT_URL: undefined, MESHWRIGHT_LOOPBACK_WEBHOOKS: 'false' })(mesh)?.send(notice)).toMatchObject({
      error: 'The app setting TEAMS_URL, which should hold the Teams webhook, is not set.',
    });
  });

  it('is missed by its name: a kubeconfig', async () => {
    const clusters = namedClusters({ setting: missing, credential: async () => undefined, now: Date.now });
    expect(
      await clusters({ kubeconfigSetting: 'WEST_KUBECONFIG' }).list({ apiVersion: 'v1', kind: 'Pod', plural: 'pods' }, {}),
    ).toMatchObject({
      message: 'The app setting WEST_KUBECONFIG, which should hold a kubeconfig or its path, is not set.',
    });
  });

  it('is missed by its name: the token of Consul', async () => {
    const [dataPlane] = meshOf(
      'dataPlanes: [{ name: vms, kind: consul, defaultPolicy: deny, address: "https://127.0.0.1:1", tokenSetting: CONSUL_TOKEN }]',
    ).dataPlanes;
    if (dataPlane?.kind !== 'consul') throw new Error('It is a Consul.');
    const consul = consulOf(dataPlane, missing, async () => 0);
    await expect(consul?.readiness('shop', 'catalog', 0)).rejects.toThrow(
      'The app setting CONSUL_TOKEN that holds the token of vms is not set.',
    );
  });
});
