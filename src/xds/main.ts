/** The xds program: reads its settings, opens the store, serves, and ends when it is told to or when its supervisor is gone. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { SqliteDocuments } from '../adapters/sqlite-documents.ts';
import { loadEncoder } from './protobuf.ts';
import { startXdsServer } from './server.ts';
import { readXdsSettings } from './settings.ts';
import { keepHeapSmall } from './small-heap.ts';

const LOOPBACK = '127.0.0.1';

keepHeapSmall();
const read = readXdsSettings(process.env);
if (!read.ok) {
  for (const problem of read.problems) console.error(problem);
  process.exit(2);
}
const { settings } = read;
const secret = async (file: string): Promise<string> => (await readFile(file, 'utf8')).trim();
const documents = new SqliteDocuments(settings.MESHWRIGHT_STATE_FILE);
const token = settings.MESHWRIGHT_TOKEN_FILE ? await secret(settings.MESHWRIGHT_TOKEN_FILE) : undefined;

const server = await startXdsServer({
  documents,
  encode: loadEncoder(await readFile(settings.MESHWRIGHT_DESCRIPTORS)),
  via: randomUUID(),
  now: Date.now,
  ads: { host: LOOPBACK, port: settings.MESHWRIGHT_XDS_PORT },
  door: { host: LOOPBACK, port: settings.MESHWRIGHT_XDS_DOOR_PORT },
  nodeToken: await secret(settings.MESHWRIGHT_NODE_TOKEN_FILE),
  ...(settings.MESHWRIGHT_URL && token ? { hints: { url: settings.MESHWRIGHT_URL, token } } : {}),
  report: (problem, error) => console.error(problem, error ?? ''),
});
console.log(JSON.stringify({ ads: server.adsPort, door: server.doorPort }));

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  await server.stop();
  documents.close();
  process.exit(0);
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
// The supervisor holds the other end: when it is gone, however it went, this process is not left behind.
process.stdin.on('end', stop).resume();
