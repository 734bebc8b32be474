/**
 * The adapters of an installation on Azure, by managed identity: state in Cosmos DB, authorities in Key Vault, alarms on a
 * queue of the host's storage; cards to Teams. Without that queue the sweep wakes what is due, up to a minute late.
 */
import type { TokenCredential } from '@azure/identity';
import { anchorBlobs } from './adapters/anchor-blobs.ts';
import { openAuditLog } from './adapters/audit-ingestion.ts';
import { openCosmosDocuments } from './adapters/cosmos-documents.ts';
import { deadLetterBlobs, openContainer } from './adapters/dead-letter-blobs.ts';
import { poisonQueue } from './adapters/poison-queue.ts';
import { alarmsOn, openQueue } from './adapters/queue-alarms.ts';
import { teamsChannelOf } from './adapters/teams-channel.ts';
import type { Adapters } from './app.ts';
import { certificateAdapters } from './certificate-adapters.ts';
import { namedDataPlanes, namedTrust } from './data-planes.ts';
import type { DeadLetterPlace } from './dead-letters.ts';
import type { Settings } from './environment.ts';

export async function azureAdapters(settings: Settings, endpoint: string): Promise<Adapters> {
  const token = await identity(settings.COSMOS__clientId);
  const auditLog = auditLogOf(settings, token);
  const account = { endpoint, credential: { token }, database: settings.COSMOS__database, container: settings.COSMOS__container };
  const documents = await openCosmosDocuments(account, Date.now);
  return {
    documents,
    now: Date.now,
    setAlarm: alarmsOf(settings),
    deadLetters: deadLettersOf(settings),
    ...anchorsOf(settings),
    ...auditLog,
    connect: namedDataPlanes(documents, settings, async () => token),
    trust: certificateAdapters(
      documents,
      settings,
      { kind: 'azure', open: async (url) => (await import('./adapters/key-vault.ts')).openKeyVault({ url, credential: token }) },
      namedTrust(async () => token),
    ),
    // Whatever is set: what answers at this app's own addresses on Azure is not Teams.
    channel: teamsChannelOf({ ...settings, MESHWRIGHT_LOOPBACK_WEBHOOKS: 'false' }),
    report: (what, error) => console.error(what, error),
  };
}

/** The queues of the host's storage, by the identity that the host itself uses; opened, as all here, where they are first used. */
function queuesOf({ AzureWebJobsStorage__accountName: account, AzureWebJobsStorage__clientId: clientId }: Settings) {
  if (account === undefined) return undefined;
  return (name: string) => async () => openQueue(`https://${account}.queue.core.windows.net/${name}`, await identity(clientId));
}

/** On the queue that `functions/alarms.ts` is triggered by. */
function alarmsOf(settings: Settings): Adapters['setAlarm'] {
  const queue = queuesOf(settings);
  if (!queue) return async () => {};
  let set: Promise<Adapters['setAlarm']> | undefined;
  return async (stream, at) => {
    set ??= queue('alarms')().then((opened) => alarmsOn(opened, Date.now));
    await (await set)(stream, at);
  };
}

/** What Event Grid could not deliver, and what the functions failed at each time. */
function deadLettersOf(settings: Settings): readonly DeadLetterPlace[] {
  const { MESHWRIGHT_DEAD_LETTERS_URL: container, AzureWebJobsStorage__clientId: clientId } = settings;
  const queue = queuesOf(settings);
  const queues = queue
    ? [poisonQueue('events-poison', 'events', queue('events-poison')), poisonQueue('alarms-poison', 'alarms', queue('alarms-poison'))]
    : [];
  if (container === undefined) return queues;
  return [...queues, deadLetterBlobs(async () => openContainer(container, await identity(clientId)))];
}

function anchorsOf({ MESHWRIGHT_ANCHORS_URL: container, AzureWebJobsStorage__clientId: clientId }: Settings): Pick<Adapters, 'anchors'> {
  if (container === undefined) return {};
  return { anchors: anchorBlobs(async () => openContainer(container, await identity(clientId))) };
}

function auditLogOf(settings: Settings, credential: TokenCredential): Pick<Adapters, 'auditLog'> {
  const { MESHWRIGHT_AUDIT_ENDPOINT: endpoint, MESHWRIGHT_AUDIT_RULE: rule, MESHWRIGHT_AUDIT_STREAM: stream } = settings;
  if (endpoint === undefined && rule === undefined) return {};
  if (endpoint === undefined || rule === undefined)
    throw new Error('An audit log is named by both: set MESHWRIGHT_AUDIT_ENDPOINT and MESHWRIGHT_AUDIT_RULE, or neither.');
  let opened: ReturnType<typeof openAuditLog> | undefined;
  return {
    auditLog: {
      async send(rows) {
        opened ??= openAuditLog({ endpoint, rule, stream, credential });
        await (await opened).send(rows);
      },
    },
  };
}

async function identity(clientId: string | undefined) {
  const { ManagedIdentityCredential } = await import('@azure/identity');
  return clientId === undefined ? new ManagedIdentityCredential() : new ManagedIdentityCredential({ clientId });
}
