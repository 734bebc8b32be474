/** A meshwright, and the command line in a directory of its own that is told where that is and its token. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Api, startApi, TOKEN } from './api-server.ts';
import { type Ran, runCli } from './run-cli.ts';

export interface CliAtApi {
  readonly api: Api;
  readonly directory: string;
  cli(...args: readonly string[]): Promise<Ran>;
  close(): Promise<void>;
}

export async function startCliAtApi(): Promise<CliAtApi> {
  const [api, directory] = await Promise.all([startApi(), mkdtemp(join(tmpdir(), 'meshwright-cli-'))]);
  return {
    api,
    directory,
    cli: (...args) => runCli(args, { directory, environment: { MESHWRIGHT_URL: api.url, MESHWRIGHT_TOKEN: TOKEN } }),
    async close() {
      await api.close();
      await rm(directory, { recursive: true });
    },
  };
}
