/**
 * The one installation of this process: the app over the adapters its settings name. Made at the first use, so that
 * loading a function costs no I/O; SDKs are imported by the adapter that needs them.
 */
import type { Authentication } from './api/authenticate.ts';
import { type Adapters, type App, createApp } from './app.ts';
import { readSettings, type Settings } from './environment.ts';

export interface Installation {
  readonly app: App;
  readonly authentication: Authentication;
}

let installation: Promise<Installation> | undefined;

/** The same for every caller; a failure to set up is not remembered, the next call tries again. */
export function theInstallation(): Promise<Installation> {
  installation ??= install(readSettings()).catch((error: unknown) => {
    installation = undefined;
    throw error;
  });
  return installation;
}

async function install(settings: Settings): Promise<Installation> {
  return { app: createApp(await adaptersFor(settings)), authentication: await authenticationFor(settings) };
}

async function adaptersFor(settings: Settings): Promise<Adapters> {
  if (settings.MESHWRIGHT_STATE_FILE) return (await import('./local/adapters.ts')).localAdapters(settings, settings.MESHWRIGHT_STATE_FILE);
  if (settings.COSMOS__accountEndpoint) return (await import('./azure.ts')).azureAdapters(settings, settings.COSMOS__accountEndpoint);
  throw new Error('There is no state: set COSMOS__accountEndpoint on Azure, or MESHWRIGHT_STATE_FILE on one machine.');
}

async function authenticationFor(settings: Settings): Promise<Authentication> {
  if (settings.MESHWRIGHT_AUTH !== 'token') return { kind: settings.MESHWRIGHT_AUTH };
  if (!settings.MESHWRIGHT_TOKEN_FILE) throw new Error('MESHWRIGHT_AUTH is "token": name the file that holds it in MESHWRIGHT_TOKEN_FILE.');
  const { readFile } = await import('node:fs/promises');
  return { kind: 'token', token: (await readFile(settings.MESHWRIGHT_TOKEN_FILE, 'utf8')).trim() };
}
