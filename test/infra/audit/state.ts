/** What is kept: the container as the store asks for it, records that cannot be changed, the vault, telemetry and the journal's table. */
import type { Deployed } from '../bicep/deployment.ts';
import { isObject, listAt, textAt, type Value, valueAt } from '../bicep/values.ts';
import { type Audit, known } from './audit.ts';
import type { Host } from './host.ts';

export interface State {
  readonly cosmos: Deployed | undefined;
  readonly records: Deployed | undefined;
  readonly vault: Deployed | undefined;
  readonly workspace: Deployed | undefined;
  readonly telemetry: Deployed | undefined;
  readonly journalRule: Deployed | undefined;
}

export function auditState(audit: Audit, { settings, app, account }: Host): State {
  const cosmos = auditCosmos(audit, settings);
  const records = auditRecords(audit, account, settings);
  const vault = audit.one({ type: 'Microsoft.KeyVault/vaults', because: 'roots are made in it' });
  for (const name of ['enableRbacAuthorization', 'enableSoftDelete', 'enablePurgeProtection'])
    audit.equal(valueAt(vault?.body, 'properties', name), true, `${name} of the vault`);
  const { workspace, telemetry, journalRule } = auditTelemetry(audit, settings);
  const recordsBlobs = audit.one({ type: 'Microsoft.Storage/storageAccounts/blobServices', of: records?.id, because: 'records are blobs' });
  for (const watched of [cosmos, vault, app, recordsBlobs]) if (watched) auditDiagnostics(audit, watched, workspace);
  return { cosmos, records, vault, workspace, telemetry, journalRule };
}

/** Who did what with it is logged. */
export function auditDiagnostics(audit: Audit, watched: Deployed, workspace: Deployed | undefined): void {
  const of = watched.id;
  const setting = audit.one({ type: 'Microsoft.Insights/diagnosticSettings', of, because: `what happens to ${watched.name} is logged` });
  audit.equal(valueAt(setting?.body, 'properties', 'workspaceId'), workspace?.id, `where ${watched.name} is logged`);
  const logs = listAt(setting?.body, 'properties', 'logs');
  audit.expect(logs.length > 0 && logs.every((log) => valueAt(log, 'enabled') === true), `nothing of ${watched.name} is logged`);
}

function auditCosmos(audit: Audit, settings: Deployed | undefined): Deployed | undefined {
  const said = (name: string): string => textAt(settings?.body, 'properties', name);
  const account = audit.one({ type: 'Microsoft.DocumentDB/databaseAccounts', because: 'the journal is in it' });
  audit.equal(said('COSMOS__accountEndpoint'), known(account?.id ?? '', 'properties.documentEndpoint'), 'COSMOS__accountEndpoint');
  audit.equal(valueAt(account?.body, 'properties', 'disableLocalAuth'), true, 'disableLocalAuth of Cosmos DB');
  audit.equal(valueAt(account?.body, 'properties', 'backupPolicy', 'type'), 'Continuous', 'the backup of Cosmos DB');
  const capabilities = listAt(account?.body, 'properties', 'capabilities').map((each) => textAt(each, 'name'));
  const isServerless = audit.parameters.cosmosAccountType !== 'autoscale';
  audit.equal(capabilities, isServerless ? ['EnableServerless'] : [], 'the kind of the account');
  const regions = listAt(account?.body, 'properties', 'locations').map((each) => textAt(each, 'locationName'));
  const asked = isServerless ? [] : listAt(audit.parameters, 'cosmosRegions');
  const order = listAt(account?.body, 'properties', 'locations').map((each) => valueAt(each, 'failoverPriority') ?? null);
  audit.equal(order, [...regions.keys()], 'the order in which regions fail over');
  audit.equal(regions, [audit.parameters.location, ...asked], 'the regions of Cosmos DB');
  const name = said('COSMOS__database');
  const database = audit.one({
    type: 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases',
    name,
    of: account?.id,
    because: 'COSMOS__database names it',
  });
  const container = audit.one({
    type: 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers',
    name: said('COSMOS__container'),
    of: database?.id,
    because: 'COSMOS__container names it',
  });
  auditLayout(audit, valueAt(container?.body, 'properties', 'resource'));
  const most = valueAt(container?.body, 'properties', 'options', 'autoscaleSettings', 'maxThroughput');
  audit.expect((most === undefined) === isServerless, 'throughput is provisioned for a serverless account, or none for another');
  return account;
}

/** As the store lays it out itself where it may; the kind of partition key is what a version of 2 has. */
function auditLayout(audit: Audit, resource: Value | undefined): void {
  const { id: _id, ...layout } = isObject(resource) ? resource : { id: null };
  const expected = { ...(typeof audit.facts.container === 'object' ? audit.facts.container : {}) };
  const sorted = (value: unknown): string =>
    JSON.stringify(value, (_key, each: unknown) => (isPlain(each) ? Object.fromEntries(Object.entries(each).sort()) : each));
  const { kind, ...key } = isObject(layout.partitionKey) ? layout.partitionKey : { kind: null };
  audit.equal(kind, 'Hash', 'the kind of the partition key');
  audit.equal(sorted({ ...layout, partitionKey: key }), sorted(expected), 'the layout of the container');
}

const isPlain = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function auditRecords(audit: Audit, host: Deployed | undefined, settings: Deployed | undefined): Deployed | undefined {
  const records = audit.one({
    type: 'Microsoft.Storage/storageAccounts',
    because: 'what the host of the functions may not take away is apart from it',
    matching: ({ id }) => id !== host?.id,
  });
  for (const [property, value] of [
    ['allowSharedKeyAccess', false],
    ['allowBlobPublicAccess', false],
    ['minimumTlsVersion', 'TLS1_2'],
  ] as const)
    audit.equal(valueAt(records?.body, 'properties', property), value, `${property} of the records`);
  const containers = 'Microsoft.Storage/storageAccounts/blobServices/containers';
  audit.one({ type: containers, name: 'dead-letters', of: records?.id, because: 'what Event Grid cannot deliver is kept' });
  const anchors = audit.one({ type: containers, name: 'journal-anchors', of: records?.id, because: 'the journal is anchored each day' });
  const url = `${known(records?.id ?? '', 'properties.primaryEndpoints.blob')}${anchors?.name}`;
  audit.equal(valueAt(settings?.body, 'properties', 'MESHWRIGHT_ANCHORS_URL'), url, 'MESHWRIGHT_ANCHORS_URL');
  const policy = audit.one({ type: `${containers}/immutabilityPolicies`, of: anchors?.id, because: 'an anchor cannot be changed' });
  const days = valueAt(policy?.body, 'properties', 'immutabilityPeriodSinceCreationInDays');
  audit.expect(typeof days === 'number' && days > 0, 'anchors can be changed at once');
  return records;
}

function auditTelemetry(audit: Audit, settings: Deployed | undefined): Pick<State, 'workspace' | 'telemetry' | 'journalRule'> {
  const workspace = audit.one({ type: 'Microsoft.OperationalInsights/workspaces', because: 'telemetry is kept in it' });
  const telemetry = audit.one({ type: 'Microsoft.Insights/components', because: 'the functions send telemetry' });
  audit.equal(valueAt(telemetry?.body, 'properties', 'WorkspaceResourceId'), workspace?.id, 'the workspace of the telemetry');
  audit.equal(valueAt(telemetry?.body, 'properties', 'DisableLocalAuth'), true, 'DisableLocalAuth of the telemetry');
  audit.equal(valueAt(workspace?.body, 'properties', 'features', 'disableLocalAuth'), true, 'disableLocalAuth of the workspace');
  const connection = textAt(settings?.body, 'properties', 'APPLICATIONINSIGHTS_CONNECTION_STRING');
  audit.equal(connection, known(telemetry?.id ?? '', 'properties.ConnectionString'), 'where telemetry is sent');
  const table = audit.one({
    type: 'Microsoft.OperationalInsights/workspaces/tables',
    of: workspace?.id,
    because: 'the journal is streamed into it',
  });
  const journalRule = audit.one({ type: 'Microsoft.Insights/dataCollectionRules', because: 'the journal is streamed through it' });
  const [flow] = listAt(journalRule?.body, 'properties', 'dataFlows');
  audit.equal(textAt(flow, 'outputStream'), `Custom-${table?.name}`, 'the table that the journal is streamed into');
  const columns = (value: Value | undefined): readonly Value[] => listAt(value);
  const streamed = columns(valueAt(journalRule?.body, 'properties', 'streamDeclarations', `Custom-${table?.name}`, 'columns'));
  audit.equal(streamed, columns(valueAt(table?.body, 'properties', 'schema', 'columns')), 'the columns that are streamed');
  audit.equal(
    streamed.map((column) => textAt(column, 'name')),
    audit.facts.auditColumns,
    'the columns of a row',
  );
  const said = (name: string): string => textAt(settings?.body, 'properties', name);
  audit.equal(
    said('MESHWRIGHT_AUDIT_ENDPOINT'),
    known(journalRule?.id ?? '', 'properties.endpoints.logsIngestion'),
    'MESHWRIGHT_AUDIT_ENDPOINT',
  );
  audit.equal(said('MESHWRIGHT_AUDIT_RULE'), known(journalRule?.id ?? '', 'properties.immutableId'), 'MESHWRIGHT_AUDIT_RULE');
  audit.equal(said('MESHWRIGHT_AUDIT_STREAM'), `Custom-${table?.name}`, 'MESHWRIGHT_AUDIT_STREAM');
  return { workspace, telemetry, journalRule };
}
