/**
 * The adapters of a host on one machine: SQLite, authorities in sealed files beside it, the host's own queue, cards to Teams where a
 * spec names a webhook.
 */
import { dirname, join } from 'node:path';

import { SqliteDocuments } from '../adapters/sqlite-documents.ts';
import { teamsChannelOf } from '../adapters/teams-channel.ts';
import type { Adapters } from '../app.ts';
import { certificateAdapters } from '../certificate-adapters.ts';
import { namedDataPlanes, namedTrust } from '../data-planes.ts';
import type { Settings } from '../environment.ts';
import { withFailpoint } from './failpoint.ts';
import { alarm } from './queue-door.ts';

/** Who we are on Azure. */
const nobody = async () => undefined;

export function localAdapters(settings: Settings, stateFile: string): Adapters {
  const documents = withFailpoint(new SqliteDocuments(stateFile), settings.MESHWRIGHT_FAILPOINT_AFTER_COMMIT);
  return {
    documents,
    now: Date.now,
    setAlarm: async (stream, at) => alarm(stream, at),
    connect: namedDataPlanes(documents, settings, nobody),
    trust: certificateAdapters(documents, settings, { kind: 'files', directory: join(dirname(stateFile), 'vault') }, namedTrust(nobody)),
    channel: teamsChannelOf(settings),
    report: (what, error) => console.error(what, error),
  };
}
