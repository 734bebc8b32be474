/** The adapters of a host on one machine: SQLite, the host's own queue, cards to Teams where a spec names a webhook. */
import { consulOf } from '../adapters/consul-data-plane.ts';
import { remoteDataPlanes } from '../adapters/remote-data-plane.ts';
import { SqliteDocuments } from '../adapters/sqlite-documents.ts';
import { teamsChannelOf } from '../adapters/teams-channel.ts';
import { xdsPoke } from '../adapters/xds-poke.ts';
import type { Adapters } from '../app.ts';
import { envoyDataPlane } from '../dataplanes/envoy/observe.ts';
import { namedSetting, type Settings } from '../environment.ts';
import { withFailpoint } from './failpoint.ts';
import { alarm } from './queue-door.ts';

export function localAdapters(settings: Settings, stateFile: string): Adapters {
  const documents = withFailpoint(new SqliteDocuments(stateFile), settings.MESHWRIGHT_FAILPOINT_AFTER_COMMIT);
  const poke = xdsPoke(settings.MESHWRIGHT_XDS_URL);
  const remote = remoteDataPlanes(Date.now);
  return {
    documents,
    now: Date.now,
    setAlarm: async (stream, at) => alarm(stream, at),
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
