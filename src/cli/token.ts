/**
 * The token that opens the API: `MESHWRIGHT_TOKEN`; on this machine the file `.meshwright/token` that `npm start` made in this directory or
 * the nearest one above it, which is sent to no other; elsewhere one of Entra ID, for the audience that is named.
 */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { AzureToken } from '../adapters/azure-token.ts';
import { Failure } from './failure.ts';
import type { Terminal } from './terminal.ts';

const OTHERS_MAY = 0o077;
/** A token that ends so soon is not begun with. */
const RENEW_MS = 120_000;

export const isLoopback = ({ hostname }: URL): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(hostname);

/** Asked before each request; remembers what costs time. */
export type Tokens = () => Promise<string | undefined>;

/** Resolve with `undefined` where there is none, throw a Failure where the one there is must not be used. */
export function tokensFor(
  url: URL,
  terminal: Pick<Terminal, 'environment' | 'workingDirectory' | 'now'>,
  audience: string | undefined,
): Tokens {
  const { environment } = terminal;
  let known: AzureToken | undefined;

  async function ofAzure(wanted: string): Promise<string> {
    if (!known || terminal.now() > known.endsAt - RENEW_MS)
      known = await azureTokenFor(wanted, Boolean(environment.AZURE_FEDERATED_TOKEN_FILE));
    return known.token;
  }

  return async () => {
    const given = environment.MESHWRIGHT_TOKEN?.trim();
    const local = !given && isLoopback(url) ? await nearestToken(terminal.workingDirectory) : undefined;
    if (local !== undefined || (!given && audience === undefined)) return local;
    if (url.protocol !== 'https:' && !isLoopback(url)) throw new Failure(`The token is not sent to ${url.host} in the clear; use https.`);
    return given || (audience === undefined ? undefined : ofAzure(audience));
  };
}

/** Azure's libraries are loaded only by who needs them. */
async function azureTokenFor(audience: string, federated: boolean): Promise<AzureToken> {
  const { azureToken, NoAzureToken } = await import('../adapters/azure-token.ts');
  try {
    return await azureToken(audience, federated);
  } catch (error) {
    if (!(error instanceof NoAzureToken)) throw error;
    const what = `Entra ID gave no token for ${audience}: sign in with "az login", or run this where a federated credential is.`;
    throw new Failure(what, { details: [error.message] });
  }
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
