/**
 * The adapters of an installation on Azure: state in Cosmos DB by managed identity, cards to Teams. Alarms on Azure's
 * queues are not built yet: until they are, the sweep wakes what is due, up to a minute late.
 */
import { consulOf } from './adapters/consul-data-plane.ts';
import { openCosmosDocuments } from './adapters/cosmos-documents.ts';
import { remoteDataPlanes } from './adapters/remote-data-plane.ts';
import { teamsChannelOf } from './adapters/teams-channel.ts';
import { xdsPoke } from './adapters/xds-poke.ts';
import type { Adapters } from './app.ts';
import { envoyDataPlane } from './dataplanes/envoy/observe.ts';
import { namedSetting, type Settings } from './environment.ts';

export async function azureAdapters(settings: Settings, endpoint: string): Promise<Adapters> {
  const { ManagedIdentityCredential } = await import('@azure/identity');
  const clientId = settings.COSMOS__clientId;
  const token = clientId === undefined ? new ManagedIdentityCredential() : new ManagedIdentityCredential({ clientId });
  const account = { endpoint, credential: { token }, database: settings.COSMOS__database, container: settings.COSMOS__container };
  const documents = await openCosmosDocuments(account, Date.now);
  const poke = xdsPoke(settings.MESHWRIGHT_XDS_URL);
  const remote = remoteDataPlanes(Date.now);
  return {
    documents,
    now: Date.now,
    setAlarm: async () => {},
    connect(mesh, dataPlane) {
      const { name, kind } = dataPlane;
      if (kind === 'envoy') return envoyDataPlane(documents, name, poke);
      const reached = kind === 'consul' ? consulOf(dataPlane, namedSetting) : undefined;
      return reached && remote(`${mesh.name}/${name}`, reached);
    },
    channel: teamsChannelOf(settings),
    report: (what, error) => console.error(what, error),
  };
}
