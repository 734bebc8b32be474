/**
 * What the code says of itself that Azure has to know: what the built functions register, the settings it reads, how the store wants its
 * container, which groups of objects it writes. Taken from what runs, never from its text.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { containerLayout } from '../../src/adapters/cosmos-documents.ts';
import type { Role as VaultRole } from '../../src/adapters/key-vault-calls.ts';
import { measured } from '../../src/api/measured.ts';
import * as gatewayApiKinds from '../../src/dataplanes/gateway-api/route-status.ts';
import * as istioKinds from '../../src/dataplanes/istio/kinds.ts';
import * as kubernetesKinds from '../../src/dataplanes/kubernetes/kinds.ts';
import * as linkerdKinds from '../../src/dataplanes/linkerd/kinds.ts';
import * as osmKinds from '../../src/dataplanes/osm/kinds.ts';
import type { Settings } from '../../src/environment.ts';
import { auditRow } from '../../src/journal/audit-rows.ts';

const ROOT = join(import.meta.dirname, '../..');
const json = (file: string): unknown => JSON.parse(readFileSync(join(ROOT, file), 'utf8'));

/** Every setting that the code reads (the compiler refuses a list that misses one), and why Azure does not set some of them. */
const SETTINGS: Readonly<Record<keyof Settings, 'set on Azure' | { readonly localBecause: string }>> = {
  MESHWRIGHT_STATE_FILE: { localBecause: 'the state of one machine; Cosmos DB holds it on Azure' },
  COSMOS__accountEndpoint: 'set on Azure',
  COSMOS__clientId: 'set on Azure',
  COSMOS__database: 'set on Azure',
  COSMOS__container: 'set on Azure',
  AzureWebJobsStorage__accountName: 'set on Azure',
  AzureWebJobsStorage__clientId: 'set on Azure',
  MESHWRIGHT_AUTH: 'set on Azure',
  MESHWRIGHT_TOKEN_FILE: { localBecause: 'the developer token of one machine' },
  MESHWRIGHT_ENTRA_TENANTS: 'set on Azure',
  MESHWRIGHT_ENTRA_AUDIENCES: 'set on Azure',
  MESHWRIGHT_ENTRA_AUTHORITY: 'set on Azure',
  MESHWRIGHT_DOOR_KEYS: 'set on Azure',
  MESHWRIGHT_DEAD_LETTERS_URL: 'set on Azure',
  MESHWRIGHT_ANCHORS_URL: 'set on Azure',
  MESHWRIGHT_AUDIT_ENDPOINT: 'set on Azure',
  MESHWRIGHT_AUDIT_RULE: 'set on Azure',
  MESHWRIGHT_AUDIT_STREAM: 'set on Azure',
  MESHWRIGHT_XDS_URL: 'set on Azure',
  MESHWRIGHT_URL: 'set on Azure',
  MESHWRIGHT_LOOPBACK_WEBHOOKS: { localBecause: 'tests of cards on one machine' },
  MESHWRIGHT_FAILPOINT_AFTER_COMMIT: { localBecause: 'crash tests only' },
};

/** Read by the Functions host and its extensions, not by this code: learn.microsoft.com/azure/azure-functions/functions-app-settings. */
export const HOST_SETTINGS = [
  'AzureWebJobsStorage__credential',
  'AzureWebJobsDisableHomepage',
  'APPLICATIONINSIGHTS_CONNECTION_STRING',
  'APPLICATIONINSIGHTS_AUTHENTICATION_STRING',
] as const;
/** Only on one machine: Flex Consumption has both in the app's own configuration. */
export const LOCAL_HOST_SETTINGS = ['AzureWebJobsStorage', 'FUNCTIONS_WORKER_RUNTIME'] as const;

/** Beside those of the state, what the server for plain Envoys is told where it listens by. */
export const XDS_SETTINGS = { ads: 'MESHWRIGHT_XDS_PORT', door: 'MESHWRIGHT_XDS_DOOR_PORT' } as const;

/** Roles that the vault adapter asks for by name when it is refused. The Officer of keys may all that their User may. */
export const VAULT_ROLES: Readonly<Record<VaultRole, 'own vault' | 'add-on vault' | 'in another'>> = {
  'Key Vault Certificates Officer': 'own vault',
  'Key Vault Crypto Officer': 'own vault',
  'Key Vault Crypto User': 'in another',
  'Key Vault Secrets Officer': 'add-on vault',
};

const registrationsSchema = z.array(
  z.object({ name: z.string(), triggerType: z.string(), bindings: z.record(z.string(), z.looseObject({ type: z.string() })) }),
);
const triggerSchema = z.looseObject({
  queueName: z.string().optional(),
  connection: z.string().optional(),
  route: z.string().optional(),
  schedule: z.string().optional(),
  methods: z.array(z.string()).optional(),
});
export interface Trigger extends z.infer<typeof triggerSchema> {
  readonly function: string;
  readonly triggerType: string;
}

export interface CodeFacts {
  readonly triggers: readonly Trigger[];
  /** Set on Azure. */
  readonly settings: readonly string[];
  readonly localSettings: readonly string[];
  readonly sampleSettings: readonly string[];
  readonly container: unknown;
  /** Groups of custom resources that are written or read. */
  readonly meshGroups: readonly string[];
  /** `services`, `apps/deployments`: of Kubernetes itself. */
  readonly coreKinds: readonly string[];
  readonly measuredFields: readonly string[];
  /** Of a row in the table of the journal. */
  readonly auditColumns: readonly string[];
  /** Of telemetry, never sampled away: `Request`, `Exception`. */
  readonly unsampled: readonly string[];
}

const COMMIT = { version: 1, schema: 1, at: 0, deliveryId: '', actor: '', events: [], message: '', prevHash: '', hash: '' };

const kindSchema = z.object({ apiVersion: z.string(), plural: z.string() });

/** `<group>/<plural>` of each kind that a room exports, alone or in a list. */
function kindsOf(...rooms: readonly Readonly<Record<string, unknown>>[]): readonly { readonly group: string; readonly plural: string }[] {
  return rooms
    .flatMap((room) => Object.values(room).flat())
    .map((each) => kindSchema.safeParse(each).data)
    .filter((kind) => kind !== undefined)
    .map(({ apiVersion, plural }) => ({ group: apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '', plural }));
}

/** `dist/` has to be built: what ships is what is asked. */
export async function codeFacts(): Promise<CodeFacts> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', 'test/functions/collect.ts', 'dist'], {
    cwd: ROOT,
    env: {},
  });
  const triggers = registrationsSchema.parse(JSON.parse(stdout)).map(({ name, triggerType, bindings }) => ({
    function: name,
    triggerType,
    ...triggerSchema.parse(Object.values(bindings).find(({ type }) => type === triggerType)),
  }));
  const named = Object.entries(SETTINGS);
  const sample = z.object({ Values: z.record(z.string(), z.string()) }).parse(json('local.settings.sample.json'));
  const host = z
    .object({ logging: z.object({ applicationInsights: z.object({ samplingSettings: z.object({ excludedTypes: z.string() }) }) }) })
    .parse(json('host.json'));
  return {
    triggers,
    settings: named.filter(([, where]) => where === 'set on Azure').map(([name]) => name),
    localSettings: named.filter(([, where]) => where !== 'set on Azure').map(([name]) => name),
    sampleSettings: Object.keys(sample.Values),
    container: containerLayout,
    meshGroups: [...new Set(kindsOf(istioKinds, linkerdKinds, osmKinds, gatewayApiKinds).map(({ group }) => group))].filter(Boolean).sort(),
    coreKinds: kindsOf(kubernetesKinds).map(({ group, plural }) => (group === '' ? plural : `${group}/${plural}`)),
    auditColumns: Object.keys(auditRow('', COMMIT)),
    measuredFields: Object.keys(measured(0, [], [])),
    unsampled: host.logging.applicationInsights.samplingSettings.excludedTypes.split(';'),
  };
}
