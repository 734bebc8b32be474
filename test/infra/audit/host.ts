/** The functions: identities, plan and app, the settings that the code reads, the host's storage and a queue for every queue trigger. */
import type { Deployed } from '../bicep/deployment.ts';
import { listAt, textAt, valueAt } from '../bicep/values.ts';
import { HOST_SETTINGS, LOCAL_HOST_SETTINGS } from '../code-facts.ts';
import { type Audit, known } from './audit.ts';

export interface Host {
  readonly app: Deployed | undefined;
  readonly identity: Deployed | undefined;
  readonly account: Deployed | undefined;
  readonly settings: Deployed | undefined;
}

const KEYLESS = { allowSharedKeyAccess: false, allowBlobPublicAccess: false, minimumTlsVersion: 'TLS1_2' } as const;

export function auditHost(audit: Audit): Host {
  audit.one({ type: 'Microsoft.Resources/resourceGroups', because: 'everything is in one group' });
  const identity = audit.one({
    type: 'Microsoft.ManagedIdentity/userAssignedIdentities',
    because: 'the functions act by an identity',
    matching: ({ symbol }) => symbol === 'functions',
  });
  const plan = audit.one({ type: 'Microsoft.Web/serverfarms', because: 'functions run on a plan' });
  audit.equal(valueAt(plan?.body, 'sku', 'name'), 'FC1', 'the plan');
  const app = audit.one({ type: 'Microsoft.Web/sites', because: 'the functions run in it' });
  const settings = audit.one({ type: 'Microsoft.Web/sites/config', name: 'appsettings', of: app?.id, because: 'the code reads settings' });
  const account = hostAccount(audit, settings);
  auditApp(audit, app, plan, identity, account);
  auditSettings(audit, settings, identity);
  auditQueues(audit, account);
  return { app, identity, account, settings };
}

function auditApp(
  audit: Audit,
  app: Deployed | undefined,
  plan: Deployed | undefined,
  identity: Deployed | undefined,
  account: Deployed | undefined,
) {
  const config = valueAt(app?.body, 'properties', 'functionAppConfig');
  audit.equal(valueAt(app?.body, 'properties', 'serverFarmId'), plan?.id, 'the plan of the functions');
  audit.equal(valueAt(config, 'runtime'), { name: 'node', version: '22' }, 'the runtime of the functions');
  audit.equal(Object.keys(valueAt(app?.body, 'identity', 'userAssignedIdentities') ?? {}), [identity?.id], 'the identity of the functions');
  audit.equal(
    valueAt(config, 'deployment', 'storage', 'authentication', 'userAssignedIdentityResourceId'),
    identity?.id,
    'who reads the deployed code',
  );
  audit.equal(valueAt(app?.body, 'properties', 'keyVaultReferenceIdentity'), identity?.id, 'who reads settings that are secrets');
  audit.equal(valueAt(app?.body, 'properties', 'httpsOnly'), true, 'httpsOnly of the functions');
  audit.equal(valueAt(app?.body, 'tags', 'azd-service-name'), 'functions', 'what azd finds the functions by');
  const code = textAt(config, 'deployment', 'storage', 'value').split('>').at(-1) ?? '';
  audit.one({
    type: 'Microsoft.Storage/storageAccounts/blobServices/containers',
    name: code,
    of: account?.id,
    because: 'the code is deployed there',
  });
  for (const name of ['ftp', 'scm']) {
    const policy = audit.one({
      type: 'Microsoft.Web/sites/basicPublishingCredentialsPolicies',
      name,
      of: app?.id,
      because: 'no password is to deploy code',
    });
    audit.equal(valueAt(policy?.body, 'properties', 'allow'), false, `passwords for ${name}`);
  }
}

function hostAccount(audit: Audit, settings: Deployed | undefined): Deployed | undefined {
  const name = textAt(settings?.body, 'properties', 'AzureWebJobsStorage__accountName');
  const account = audit.one({ type: 'Microsoft.Storage/storageAccounts', name, because: 'AzureWebJobsStorage names it' });
  audit.one({ type: 'Microsoft.Storage/storageAccounts/blobServices', of: account?.id, because: 'the code is deployed to a container' });
  audit.one({ type: 'Microsoft.Storage/storageAccounts/queueServices', of: account?.id, because: 'triggers read queues' });
  for (const [property, value] of Object.entries(KEYLESS))
    audit.equal(valueAt(account?.body, 'properties', property), value, `${property} of ${name}`);
  return account;
}

/** In both directions: what is read is set, in Azure and in the sample; what is set is read. */
function auditSettings(audit: Audit, settings: Deployed | undefined, identity: Deployed | undefined): void {
  const { facts } = audit;
  const given = Object.keys(valueAt(settings?.body, 'properties') ?? {});
  const secret = listAt(audit.parameters, 'secretSettings');
  for (const name of [...facts.settings, ...HOST_SETTINGS])
    audit.expect(given.includes(name), `the setting ${name} is read and infra does not set it`);
  for (const name of secret) audit.expect(given.includes(String(name)), `the setting ${name} of a spec is not set`);
  for (const name of given) {
    const read = [...facts.settings, ...HOST_SETTINGS, ...secret].includes(name);
    audit.expect(read, `infra sets ${name}, which nothing reads`);
  }
  const ofTheHost: readonly string[] = [...HOST_SETTINGS, ...LOCAL_HOST_SETTINGS];
  for (const name of facts.settings)
    audit.expect(facts.sampleSettings.includes(name), `the setting ${name} is not in local.settings.sample.json`);
  for (const name of facts.sampleSettings) {
    const read = [...facts.settings, ...facts.localSettings, ...ofTheHost].includes(name);
    audit.expect(read, `local.settings.sample.json lists ${name}, which nothing reads`);
  }
  for (const name of ['AzureWebJobsStorage__clientId', 'COSMOS__clientId'])
    audit.equal(valueAt(settings?.body, 'properties', name), known(identity?.id ?? '', 'properties.clientId'), name);
  const letters = textAt(settings?.body, 'properties', 'MESHWRIGHT_DEAD_LETTERS_URL')
    .split(/#properties\.primaryEndpoints\.blob>/)
    .at(-1);
  audit.expect(letters === 'dead-letters', `MESHWRIGHT_DEAD_LETTERS_URL leads to ${letters}, and not to dead-letters`);
  audit.equal(
    valueAt(settings?.body, 'properties', 'AzureWebJobsStorage__credential'),
    'managedidentity',
    'AzureWebJobsStorage__credential',
  );
}

/** A queue trigger's queue, and the one that its messages go to after their last attempt. */
function auditQueues(audit: Audit, account: Deployed | undefined): void {
  for (const { function: name, queueName, connection } of audit.facts.triggers.filter(
    ({ triggerType }) => triggerType === 'queueTrigger',
  )) {
    audit.equal(connection, 'AzureWebJobsStorage', `the connection of ${name}`);
    for (const queue of [queueName ?? '', `${queueName}-poison`]) {
      const of = account?.id;
      audit.one({ type: 'Microsoft.Storage/storageAccounts/queueServices/queues', name: queue, of, because: `${name} takes messages` });
    }
  }
}
