/**
 * The one installation of this process: the app over the adapters its settings name. Made at the first use, so that
 * loading a function costs no I/O; SDKs are imported by the adapter that needs them.
 */
import { type Authentication, developerToken, nobody, withDoorKeys } from './api/authenticate.ts';
import { type Adapters, type App, createApp } from './app.ts';
import { readSettings, type Settings } from './environment.ts';

export interface Installation {
  readonly app: App;
  readonly authentication: Authentication;
  /** Of one machine; its Event Grid endpoint asks for it too. */
  readonly token?: string;
}

let installation: Promise<Installation> | undefined;

/** The same for every caller; a failure to set up is not remembered, the next call tries again. */
export function theInstallation(): Promise<Installation> {
  installation ??= install().catch((error: unknown) => {
    installation = undefined;
    throw error;
  });
  return installation;
}

async function install(): Promise<Installation> {
  const settings = readSettings();
  return { ...(await authenticationFor(settings)), app: createApp(await adaptersFor(settings)) };
}

async function adaptersFor(settings: Settings): Promise<Adapters> {
  if (settings.MESHWRIGHT_STATE_FILE && settings.COSMOS__accountEndpoint) {
    throw new Error('There are two states: set COSMOS__accountEndpoint on Azure or MESHWRIGHT_STATE_FILE on one machine, not both.');
  }
  if (settings.MESHWRIGHT_STATE_FILE) return (await import('./local/adapters.ts')).localAdapters(settings, settings.MESHWRIGHT_STATE_FILE);
  if (settings.COSMOS__accountEndpoint) return (await import('./azure.ts')).azureAdapters(settings, settings.COSMOS__accountEndpoint);
  throw new Error('There is no state: set COSMOS__accountEndpoint on Azure, or MESHWRIGHT_STATE_FILE on one machine.');
}

async function authenticationFor(settings: Settings): Promise<Pick<Installation, 'authentication' | 'token'>> {
  switch (settings.MESHWRIGHT_AUTH) {
    case 'none':
      return { authentication: nobody };
    case 'token': {
      const token = await tokenOf(settings);
      return { authentication: developerToken(token), token };
    }
    case 'entra': {
      const { MESHWRIGHT_ENTRA_TENANTS: tenants, MESHWRIGHT_ENTRA_AUDIENCES: audiences, MESHWRIGHT_ENTRA_AUTHORITY: authority } = settings;
      if (tenants.length === 0) throw new Error('MESHWRIGHT_AUTH is "entra": name the tenants in MESHWRIGHT_ENTRA_TENANTS.');
      if (audiences.length === 0)
        throw new Error('MESHWRIGHT_AUTH is "entra": name the client id of the app registration in MESHWRIGHT_ENTRA_AUDIENCES.');
      const { entraCallers } = await import('./adapters/entra-callers.ts');
      // The settings take plain HTTP for this machine alone.
      const loopbackHttp = authority?.startsWith('http:') ?? false;
      const callers = entraCallers({ now: Date.now, tenants, audiences, authority, loopbackHttp });
      return { authentication: withDoorKeys(callers, settings.MESHWRIGHT_DOOR_KEYS) };
    }
  }
}

/** Of one machine: without it everybody may read, which is no way to be on a network. */
async function tokenOf(settings: Settings): Promise<string> {
  if (!settings.MESHWRIGHT_STATE_FILE) throw new Error('MESHWRIGHT_AUTH "token" is for one machine; with Cosmos DB set it to "entra".');
  if (!settings.MESHWRIGHT_TOKEN_FILE) throw new Error('MESHWRIGHT_AUTH is "token": name the file that holds it in MESHWRIGHT_TOKEN_FILE.');
  const { readFile } = await import('node:fs/promises');
  const text = await readFile(settings.MESHWRIGHT_TOKEN_FILE, 'utf8').catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    throw new Error(`The file that MESHWRIGHT_TOKEN_FILE names cannot be read${code}.`, { cause: error });
  });
  const token = text.trim();
  if (token === '') throw new Error('The file that MESHWRIGHT_TOKEN_FILE names is empty; put a token into it.');
  return token;
}
