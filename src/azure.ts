/**
 * The adapters of an installation on Azure, by managed identity: state in Cosmos DB, authorities in Key Vault, alarms on a
 * queue of the host's storage; cards to Teams. Without that queue the sweep wakes what is due, up to a minute late.
 */
import { openCosmosDocuments } from './adapters/cosmos-documents.ts';
import { teamsChannelOf } from './adapters/teams-channel.ts';
import type { Adapters } from './app.ts';
import { certificateAdapters } from './certificate-adapters.ts';
import { namedDataPlanes, namedTrust } from './data-planes.ts';
import type { Settings } from './environment.ts';

export async function azureAdapters(settings: Settings, endpoint: string): Promise<Adapters> {
  const { ManagedIdentityCredential } = await import('@azure/identity');
  const clientId = settings.COSMOS__clientId;
  const token = clientId === undefined ? new ManagedIdentityCredential() : new ManagedIdentityCredential({ clientId });
  const account = { endpoint, credential: { token }, database: settings.COSMOS__database, container: settings.COSMOS__container };
  const documents = await openCosmosDocuments(account, Date.now);
  return {
    documents,
    now: Date.now,
    setAlarm: await alarmsOf(settings),
    connect: namedDataPlanes(documents, settings, async () => token),
    trust: certificateAdapters(
      documents,
      settings,
      { kind: 'azure', open: async (url) => (await import('./adapters/key-vault.ts')).openKeyVault({ url, credential: token }) },
      namedTrust(async () => token),
    ),
    channel: teamsChannelOf(settings),
    report: (what, error) => console.error(what, error),
  };
}

/** On the queue that `functions/alarms.ts` is triggered by. */
async function alarmsOf({ AzureWebJobsStorage__accountName: account, AzureWebJobsStorage__clientId: clientId }: Settings) {
  if (account === undefined) return async () => {};
  const { ManagedIdentityCredential } = await import('@azure/identity');
  const { alarmsOn, openQueue } = await import('./adapters/queue-alarms.ts');
  const credential = clientId === undefined ? new ManagedIdentityCredential() : new ManagedIdentityCredential({ clientId });
  return alarmsOn(await openQueue(`https://${account}.queue.core.windows.net/alarms`, credential), Date.now);
}
