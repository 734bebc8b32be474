/** `.meshwright/`: the state of one machine's host, its tokens (mode 0600) and its logs. */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface StateDirectory {
  readonly path: string;
  readonly stateFile: string;
  /** Opens every write of the HTTP API. */
  readonly tokenFile: string;
  /** Opens the xds server for nodes and registrations. */
  readonly nodeTokenFile: string;
  readonly playgroundFile: string;
  /** Who runs on this state, for a second start to find. */
  readonly runningFile: string;
  readonly logs: string;
}

/** Makes what is missing and keeps what is there. */
export async function openStateDirectory(path: string): Promise<StateDirectory> {
  const directory: StateDirectory = {
    path,
    stateFile: join(path, 'state.db'),
    tokenFile: join(path, 'token'),
    nodeTokenFile: join(path, 'node-token'),
    playgroundFile: join(path, 'playground.json'),
    runningFile: join(path, 'running.json'),
    logs: join(path, 'logs'),
  };
  await mkdir(directory.logs, { recursive: true, mode: 0o700 });
  for (const file of [directory.tokenFile, directory.nodeTokenFile]) await keepToken(file);
  return directory;
}

async function keepToken(file: string): Promise<void> {
  const kept = await readFile(file, 'utf8').catch(() => '');
  if (kept.trim() === '') await writeFile(file, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
}
