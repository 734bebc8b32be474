/** What is said where a line of a template is lost: not only that something is, but what, in words that lead there. */
import { beforeAll, describe, expect, it } from 'vitest';
import { problemsOf } from './audit/whole.ts';
import { deploy } from './bicep/deployment.ts';
import { type CodeFacts, codeFacts } from './code-facts.ts';
import { EVERYTHING, PLACE, PUBLIC, readInfra } from './templates.ts';

let facts: CodeFacts;
beforeAll(async () => {
  facts = await codeFacts();
});

/** The templates with `now` in place of `was`, which has to be there. */
function problemsWith(file: string, was: string | RegExp, now: string, parameters = EVERYTHING): string {
  const text = readInfra(file);
  const changed = text.replace(was, now);
  expect(changed, `${file} has no ${was}`).not.toBe(text);
  const { resources } = deploy((each) => (each === file ? changed : readInfra(each)), 'main.bicep', parameters, PLACE);
  return problemsOf(resources, facts, parameters).join('\n');
}

describe('a template that lost', () => {
  it.each([
    [
      'a queue',
      'storage.bicep',
      "['alarms', 'events']",
      "['events', 'events']",
      /queues alarms of sthost\w+: there is none, and alarms takes messages/,
    ],
    ['a setting', 'functions.bicep', / {2}MESHWRIGHT_URL: url\n/, '', /the setting MESHWRIGHT_URL is read and infra does not set it/],
    [
      'the way to the state',
      'functions.bicep',
      'COSMOS__container: cosmosContainer',
      "COSMOS__container: 'other'",
      /containers other of meshwright: there is none, and COSMOS__container names it/,
    ],
    [
      'its keylessness',
      'storage.bicep',
      'allowSharedKeyAccess: false',
      'allowSharedKeyAccess: true',
      /allowSharedKeyAccess of sthost\w+ is true, not false/,
    ],
    ['an index', 'cosmos.bicep', "          { path: '/wakeAt/?' }\n", '', /the layout of the container/],
    ['its expiry', 'cosmos.bicep', 'defaultTtl: -1', 'defaultTtl: 86400', /the layout of the container/],
    [
      'purge protection',
      'vault.bicep',
      'enablePurgeProtection: true',
      'enablePurgeProtection: false',
      /enablePurgeProtection of the vault is false/,
    ],
    [
      'a role',
      'vault.bicep',
      "var cryptoOfficer = '14b46e9e-c2b7-41b4-b07b-48a6ebf60603'",
      "var cryptoOfficer = '21090545-7ca7-4776-b22c-e363652d74d2'",
      /functions needs Key Vault Crypto Officer on kv-\w+, and has it 0 times/,
    ],
    ['the narrowness of a role', 'storage.bicep', '  scope: deadLetters\n', '  scope: records\n', /which nothing needs/],
    ['a condition', 'aks-access.bicep', "  'security.istio.io'\n", '', /the groups of custom resources that the role is for/],
    [
      'a kind that is looked at',
      'aks-access.bicep',
      /.*endpointslices\/read'\n/,
      '',
      /discovery\.k8s\.io\/endpointslices are looked at, and no role allows/,
    ],
    ['an event', 'events.bicep', "        'Microsoft.KeyVault.CertificateExpired'\n", '', /what evgt-vault-\w+ tells/],
    [
      'its dead letters',
      'events.bicep',
      'blobContainerName: deadLetterContainerName',
      "blobContainerName: 'deployments'",
      /the container for evgt-/,
    ],
    [
      'an identity that a firewall lets in',
      'events.bicep',
      "var identity = { type: 'SystemAssigned' }",
      "var identity = { type: 'UserAssigned' }",
      /the identity of evgt-vault-\w+ is \{"type":"UserAssigned"\}[\s\S]*who delivers for evgt-vault-\w+ is/,
    ],
    [
      'its trusted services',
      'storage.bicep',
      "bypass: 'AzureServices'",
      "bypass: 'None'",
      /the trusted services that sthost\w+ lets in is "None", not "AzureServices"/,
    ],
    [
      'the role of a topic',
      'events.bicep',
      'principalId: topic.identity.principalId',
      'principalId: vaultTopic.identity.principalId',
      /evgt-meshwright needs Storage Blob Data Contributor on dead-letters, and has it 0 times/,
    ],
    [
      "the dead-man's switch",
      'alerts.bicep',
      'OperationName == "sweep"',
      'OperationName == "sleep"',
      /nothing watches sweep-is-silent\n[\s\S]*calls of sleep, which is no function/,
    ],
    [
      'a private endpoint',
      'private-endpoints.bicep',
      /.*name: 'vault', id.*\n/,
      '',
      /privateEndpoints: there is none, and kv-\w+ \(vault\) is called privately/,
    ],
    [
      'its ingress',
      'xds.bicep',
      "transport: 'tcp'",
      "transport: 'http2'",
      /the ingress of the server for plain Envoys is "http2", not "tcp"/,
    ],
    ['its backup', 'cosmos.bicep', "type: 'Continuous'", "type: 'Periodic'", /the backup of Cosmos DB/],
  ] as const)('%s is found, and named', (_what, file, was, now, said) => {
    expect(problemsWith(file, was, now)).toMatch(said);
  });

  it('the container of a setting is found, and named', () => {
    expect(problemsWith('storage.bicep', /(output deadLetterContainerUrl .*)deadLetters\.name/, '$1anchors.name')).toMatch(
      /MESHWRIGHT_DEAD_LETTERS_URL leads to journal-anchors, and not to dead-letters/,
    );
  });

  it('the function that Event Grid delivers to is found, and named', () => {
    const said = problemsWith('events.bicep', "var functionName = 'deploymentEvents'", "var functionName = 'events'", PUBLIC);
    expect(said).toMatch(/delivers to \S+\/functions\/events, which no function with an Event Grid trigger is/);
  });

  it('the route that alerts are sent to is found, and named', () => {
    expect(problemsWith('alerts.bicep', '/alerts', '/alarms')).toMatch(/alerts are sent to alarms, which is no route that takes them/);
  });

  it('nothing, but has more than is needed, is found too', () => {
    const more =
      "resource more 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = {\n  parent: hostQueues\n  name: 'more'\n}\n\noutput hostAccountId";
    expect(problemsWith('storage.bicep', 'output hostAccountId', more)).toMatch(
      /^storage\.bicep: nothing needs more \(\/subscriptions\/.*\/queues\/more\)$/,
    );
  });
});
