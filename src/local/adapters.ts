/** The adapters of a host on one machine: SQLite, the host's own queue, cards to Teams where a spec names a webhook. */
import { SqliteDocuments } from '../adapters/sqlite-documents.ts';
import { teamsChannelOf } from '../adapters/teams-channel.ts';
import { xdsPoke } from '../adapters/xds-poke.ts';
import type { Adapters } from '../app.ts';
import { envoyDataPlane } from '../dataplanes/envoy/observe.ts';
import type { Settings } from '../environment.ts';
import { withFailpoint } from './failpoint.ts';
import { alarm } from './queue-door.ts';

export function localAdapters(settings: Settings, stateFile: string): Adapters {
  const documents = withFailpoint(new SqliteDocuments(stateFile), settings.MESHWRIGHT_FAILPOINT_AFTER_COMMIT);
  const poke = xdsPoke(settings.MESHWRIGHT_XDS_URL);
  return {
    documents,
    now: Date.now,
    setAlarm: async (stream, at) => alarm(stream, at),
    connect: (_mesh, { name, kind }) => (kind === 'envoy' ? envoyDataPlane(documents, name, poke) : undefined),
    channel: teamsChannelOf(settings),
    report: (what, error) => console.error(what, error),
  };
}
