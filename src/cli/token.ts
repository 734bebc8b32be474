/**
 * The token that opens the API: `MESHWRIGHT_TOKEN`, or the file `.meshwright/token` that `npm start` made in this directory or
 * the nearest one above it. The file's token belongs to this machine and is sent to no other.
 */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure } from './failure.ts';
import type { Terminal } from './terminal.ts';

const OTHERS_MAY = 0o077;

export const isLoopback = ({ hostname }: URL): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(hostname);

/** `undefined`: there is none. @throws Failure when the one there is must not be used. */
export async function tokenFor(url: URL, terminal: Pick<Terminal, 'environment' | 'workingDirectory'>): Promise<string | undefined> {
  const given = terminal.environment.MESHWRIGHT_TOKEN?.trim();
  if (given) {
    if (url.protocol === 'https:' || isLoopback(url)) return given;
    throw new Failure(`The token is not sent to ${url.host} in the clear; use https.`);
  }
  return isLoopback(url) ? nearestToken(terminal.workingDirectory) : undefined;
}

async function nearestToken(directory: string): Promise<string | undefined> {
  const file = join(directory, '.meshwright', 'token');
  const found = await stat(file).catch(() => undefined);
  if (!found) return dirname(directory) === directory ? undefined : nearestToken(dirname(directory));
  if (process.platform !== 'win32' && (found.mode & OTHERS_MAY) !== 0) {
    throw new Failure(`${file} can be read by others: close it with "chmod 600", and make a new token if others may have read it.`);
  }
  const token = (await readFile(file, 'utf8')).trim();
  return token === '' ? undefined : token;
}
