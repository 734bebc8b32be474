/**
 * A Secret as a kubelet keeps it in a pod's volume (pkg/volume/util/atomic_writer.go): each state in a folder of its own, and a link that is
 * moved from one to the next, so that no reader sees half of each. It looks for another state ten times a second instead of once a minute.
 */
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { until } from '../e2e/until.ts';
import type { ApiServer } from './api-server.ts';
import { type Running, startingTogether, stopping } from './process.ts';

const LOOK_MS = 100;
const secretSchema = z.object({ metadata: z.object({ resourceVersion: z.string() }), data: z.record(z.string(), z.string()) });

export interface SecretVolume extends Running {
  readonly folder: string;
}

/** Resolves once the Secret is there. */
export function secretVolume(api: ApiServer, namespace: string, name: string): Promise<SecretVolume> {
  return startingTogether(async (started) => {
    const folder = await started.folder('volume');
    let seen = '';
    async function follow(): Promise<boolean> {
      const { status, body } = await api.admin.ask('GET', `/api/v1/namespaces/${namespace}/secrets/${name}`);
      if (status !== 200) return false;
      const { metadata, data } = secretSchema.parse(body);
      if (metadata.resourceVersion !== seen) await write(folder, metadata.resourceVersion, data);
      seen = metadata.resourceVersion;
      return true;
    }
    await until(`there is a Secret ${namespace}/${name}`, follow);
    let over = false;
    const following = (async () => {
      while (!over) {
        // An API server that is gone has nothing new.
        await follow().catch(() => false);
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    })();
    started.add(
      stopping(() => {
        over = true;
        return following;
      }),
    );
    return { folder };
  });
}

async function write(folder: string, state: string, data: Readonly<Record<string, string>>): Promise<void> {
  const next = `..${state}`;
  await mkdir(join(folder, next));
  for (const [entry, content] of Object.entries(data)) {
    await writeFile(join(folder, next, entry), Buffer.from(content, 'base64'), { mode: 0o600 });
    await symlink(join('..data', entry), join(folder, entry)).catch(() => {});
  }
  await rm(join(folder, '..data_tmp'), { force: true });
  await symlink(next, join(folder, '..data_tmp'));
  await rename(join(folder, '..data_tmp'), join(folder, '..data'));
}
