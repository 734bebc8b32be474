/** Event Grid: a topic and a subscription for all that intake reads, delivered to what the functions register, dead letters kept, no keys. */
import { readEvent } from '../../../src/intake/delivery.ts';
import { readDeployment } from '../../../src/intake/deployments.ts';
import { readVaultEvent } from '../../../src/intake/vault-events.ts';
import type { Deployed } from '../bicep/deployment.ts';
import { listAt, textAt, valueAt } from '../bicep/values.ts';
import type { Audit } from './audit.ts';
import type { Host } from './host.ts';
import { auditDiagnostics, type State } from './state.ts';

/** What each source tells that is acted on. Secrets of a vault tell what its certificates do, and are answered with nothing. */
const SOURCES = {
  'Microsoft.KeyVault.vaults': [
    'Microsoft.KeyVault.CertificateNewVersionCreated',
    'Microsoft.KeyVault.CertificateNearExpiry',
    'Microsoft.KeyVault.CertificateExpired',
  ],
  'Microsoft.ContainerRegistry.Registries': ['Microsoft.ContainerRegistry.ImagePushed'],
  'Microsoft.Resources.Subscriptions': ['Microsoft.Resources.ResourceWriteSuccess', 'Microsoft.Resources.ResourceActionSuccess'],
} as const;
const OWN = ['Meshwright.Deployment.Requested'];

/**
 * Of a storage account with a firewall only a system-assigned identity is a trusted service (learn.microsoft.com/azure/event-grid/handler-storage-queues),
 * and a topic of location `global` can have none (learn.microsoft.com/azure/event-grid/enable-identity-system-topics).
 */
const OWN_IDENTITY = { type: 'SystemAssigned' };
const GLOBAL = 'Microsoft.Resources.Subscriptions';

export interface Events {
  readonly topic: Deployed | undefined;
  /** Every topic that delivers by its own identity. */
  readonly delivering: readonly Deployed[];
}

export function auditEvents(audit: Audit, host: Host, state: State): Events {
  const delivering: Deployed[] = [];
  const registry = textAt(audit.parameters, 'registryId');
  const of: Readonly<Record<keyof typeof SOURCES, string | undefined>> = {
    'Microsoft.KeyVault.vaults': state.vault?.id,
    'Microsoft.ContainerRegistry.Registries': registry === '' ? undefined : registry,
    // Where only an identity is let in, who can have none has nowhere to deliver to.
    [GLOBAL]: audit.parameters.privateNetwork === true ? undefined : state.vault?.id.split('/resourceGroups/')[0],
  };
  for (const [topicType, types] of Object.entries(SOURCES)) {
    const source = Object.entries(of).find(([name]) => name === topicType)?.[1];
    if (source === undefined) continue;
    const topic = audit.one({
      type: 'Microsoft.EventGrid/systemTopics',
      because: `${topicType} tells of changes`,
      matching: ({ body }) => textAt(body, 'properties', 'topicType') === topicType,
    });
    audit.equal(valueAt(topic?.body, 'properties', 'source'), source, `the source of ${topicType}`);
    if (topic && topicType !== GLOBAL) delivering.push(topic);
    auditTopic(audit, topic, types, { host, state, byItself: topicType !== GLOBAL });
  }
  const topic = audit.one({ type: 'Microsoft.EventGrid/topics', because: 'CI/CD asks for versions, and others are told what was decided' });
  audit.equal(valueAt(topic?.body, 'properties', 'disableLocalAuth'), true, 'disableLocalAuth of the topic');
  audit.equal(valueAt(topic?.body, 'properties', 'inputSchema'), 'CloudEventSchemaV1_0', 'the schema of the topic');
  if (topic) delivering.push(topic);
  auditTopic(audit, topic, OWN, { host, state, byItself: true });
  return { topic, delivering };
}

interface Around {
  readonly host: Host;
  readonly state: State;
  /** Whether it has an identity to deliver by. */
  readonly byItself: boolean;
}

function auditTopic(audit: Audit, topic: Deployed | undefined, types: readonly string[], around: Around): void {
  if (!topic) return;
  audit.equal(valueAt(topic.body, 'identity'), around.byItself ? OWN_IDENTITY : undefined, `the identity of ${topic.name}`);
  audit.equal(textAt(topic.body, 'location') === 'global', !around.byItself, `that ${topic.name} is global`);
  auditDiagnostics(audit, topic, around.state.workspace);
  const isDeployed = audit.parameters.functionsDeployed === true || audit.parameters.privateNetwork === true;
  if (!isDeployed) return;
  const subscription = audit.one({ type: `${topic.type}/eventSubscriptions`, of: topic.id, because: 'what it tells has to arrive' });
  const properties = valueAt(subscription?.body, 'properties');
  audit.equal(valueAt(properties, 'eventDeliverySchema'), 'CloudEventSchemaV1_0', `the schema that ${topic.name} delivers`);
  const included = listAt(properties, 'filter', 'includedEventTypes');
  audit.equal(included, types, `what ${topic.name} tells`);
  for (const type of included) audit.expect(isRead(String(type)), `${topic.name} tells of ${type}, which nothing reads`);
  auditDestination(audit, properties, topic, around);
  auditDeadLetters(audit, properties, topic, around);
}

/** Whether intake makes anything of an event of this type: what it doesn't know, it says so. */
function isRead(type: string): boolean {
  const reading = readEvent({ specversion: '1.0', id: '1', source: '/s', type, time: '2026-01-01T00:00:00Z', data: {} }, 0);
  if (!reading.ok) return false;
  const vault = readVaultEvent(reading.event);
  if (vault.kind !== 'other') return vault.kind !== 'ignored';
  const deployment = readDeployment(reading.event);
  // An action on a resource is no deployment and is looked at for drift: intake knows it, and says what it is not.
  return !(deployment.kind === 'invalid' && deployment.reason === 'UnknownEventType');
}

function auditDestination(audit: Audit, properties: Parameters<typeof valueAt>[0], topic: Deployed, { host }: Around): void {
  const { triggers } = audit.facts;
  if (audit.parameters.privateNetwork === true) {
    const by = valueAt(properties, 'deliveryWithResourceIdentity');
    audit.equal(valueAt(by, 'identity'), OWN_IDENTITY, `who delivers for ${topic.name}`);
    audit.equal(valueAt(by, 'destination', 'endpointType'), 'StorageQueue', `where ${topic.name} delivers privately`);
    audit.equal(valueAt(by, 'destination', 'properties', 'resourceId'), host.account?.id, `the account that ${topic.name} delivers to`);
    const queue = textAt(by, 'destination', 'properties', 'queueName');
    const taken = triggers.some(({ queueName }) => queueName === queue);
    audit.expect(taken, `${topic.name} delivers to the queue ${queue}, which no function takes`);
    return;
  }
  const endpoint = valueAt(properties, 'destination');
  audit.equal(valueAt(endpoint, 'endpointType'), 'AzureFunction', `where ${topic.name} delivers`);
  const named = triggers
    .filter(({ triggerType }) => triggerType === 'eventGridTrigger')
    .map(({ function: name }) => `${host.app?.id}/functions/${name}`);
  const to = textAt(endpoint, 'properties', 'resourceId');
  audit.expect(named.includes(to), `${topic.name} delivers to ${to}, which no function with an Event Grid trigger is`);
}

function auditDeadLetters(audit: Audit, properties: Parameters<typeof valueAt>[0], topic: Deployed, { state, byItself }: Around): void {
  const kept = valueAt(properties, 'deadLetterWithResourceIdentity');
  audit.equal(valueAt(kept, 'identity'), byItself ? OWN_IDENTITY : undefined, `who keeps what ${topic.name} cannot deliver`);
  if (!byItself) return;
  audit.equal(valueAt(kept, 'deadLetterDestination', 'properties', 'resourceId'), state.records?.id, `where it is kept for ${topic.name}`);
  audit.equal(textAt(kept, 'deadLetterDestination', 'properties', 'blobContainerName'), 'dead-letters', `the container for ${topic.name}`);
}
