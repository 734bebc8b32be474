/** Starts Azurite for one test file: queues and blobs in memory, on free ports of 127.0.0.1; it ends with the test. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGuarded } from '../../../src/local/child.ts';
import { installStorageEmulator } from './install.ts';

/** The account that every Azurite has, and its published key: https://learn.microsoft.com/azure/storage/common/storage-use-azurite. */
export const ACCOUNT = 'devstoreaccount1';
export const ACCOUNT_KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

export interface StorageEmulator {
  /** Of the account, such as `http://127.0.0.1:43210/devstoreaccount1`. */
  readonly queues: string;
  readonly blobs: string;
  readonly stop: () => Promise<void>;
}

/** Installs it first if need be, so allow a minute. @throws when it ends before it says where it listens. */
export async function startStorageEmulator(): Promise<StorageEmulator> {
  const program = await installStorageEmulator();
  const folder = await mkdtemp(join(tmpdir(), 'meshwright-storage-'));
  const logFile = join(folder, 'azurite.log');
  const addresses = new Map<string, string>();
  const listening = Promise.withResolvers<void>();
  const child = startGuarded({
    command: process.execPath,
    arguments: [
      program,
      '--inMemoryPersistence',
      '--disableTelemetry',
      // The SDKs name a version of the API that Azurite will know with its next release; what is used here is older than both.
      '--skipApiVersionCheck',
      ...['blob', 'queue', 'table'].flatMap((service) => [`--${service}Host`, '127.0.0.1', `--${service}Port`, '0']),
    ],
    logFile,
    onLine: (line) => {
      const [, service, address] = /^Azurite (\w+) service is successfully listening at (\S+)$/.exec(line) ?? [];
      if (service && address) addresses.set(service, `${address}/${ACCOUNT}`);
      if (addresses.size === 3) listening.resolve();
    },
  });
  const stop = async (): Promise<void> => {
    await child.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const ended = child.ended.then(async (code) => {
    throw new Error(`Azurite ended with ${code} before it listened:\n${await readFile(logFile, 'utf8')}`);
  });
  try {
    await Promise.race([listening.promise, ended]);
  } catch (error) {
    await stop();
    throw error;
  }
  ended.catch(() => {});
  return { queues: addresses.get('Queue') ?? '', blobs: addresses.get('Blob') ?? '', stop };
}
