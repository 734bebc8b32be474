/** The channel a mesh's spec names: its webhook's address is in the app setting of that name, and nowhere else. */
import { namedSetting, type Settings } from '../environment.ts';
import type { Channel } from '../notifications/channel.ts';
import type { MeshSpec } from '../spec/schema.ts';
import { teamsChannel } from './teams-workflow.ts';

/** One channel a webhook for the life of the process, since it paces itself. */
export function teamsChannelOf(
  settings: Pick<Settings, 'MESHWRIGHT_URL' | 'MESHWRIGHT_LOOPBACK_WEBHOOKS'>,
): (mesh: MeshSpec) => Channel | undefined {
  const channels = new Map<string, Channel>();
  return ({ channels: { teams } }) => {
    if (!teams) return undefined;
    const url = namedSetting(teams.webhookSetting);
    if (url === undefined)
      return {
        send: async () => ({
          kind: 'refused',
          error: `The app setting ${teams.webhookSetting}, which should hold the Teams webhook, is not set.`,
        }),
      };
    const channel =
      channels.get(url) ??
      teamsChannel({
        url,
        now: Date.now,
        loopback: settings.MESHWRIGHT_LOOPBACK_WEBHOOKS === 'true',
        ...(settings.MESHWRIGHT_URL ? { baseUrl: settings.MESHWRIGHT_URL } : {}),
      });
    channels.set(url, channel);
    return channel;
  };
}
