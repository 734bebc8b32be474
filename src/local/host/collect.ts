/**
 * Loads a function app: finds its entry files, imports them one after the other as Azure's worker does, and lists what
 * they registered. A file that throws stops the load, on Azure and here: an app is served whole or not at all.
 */
import { glob } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Binding, type FunctionApp, type LogSink, provideFunctionsCore } from './functions-core.ts';

/** A registered function without its code: what the app promises Azure. */
export interface Registration {
  readonly name: string;
  /** `httpTrigger`, `eventGridTrigger`, `queueTrigger`, `timerTrigger` … */
  readonly triggerType: string;
  /** By binding name, the trigger and what is returned (`$return`) among them. */
  readonly bindings: Readonly<Record<string, Binding>>;
}

export interface AppFiles {
  /** The folder that `entries` are relative to. */
  readonly directory: string;
  /** Paths or globs of the entry files, what `main` in package.json says. */
  readonly entries: string | readonly string[];
}

export interface Collected {
  readonly registrations: readonly Registration[];
  readonly app: FunctionApp;
}

/**
 * Loads the app's entry files into this process and closes registration. Nothing is served.
 *
 * @throws Error naming the file when one can't be loaded, or the pattern when no file matches; also on a second call in
 * one process, since the library keeps its first registrations for good.
 */
export async function collect(files: AppFiles, log: LogSink = () => {}): Promise<Collected> {
  const paths = await entryPaths(files);
  const app = provideFunctionsCore(log);
  for (const path of paths) {
    try {
      await import(pathToFileURL(path).href);
    } catch (error) {
      throw new Error(`The function app was not loaded, because ${path} failed: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }
  app.close();
  return { app, registrations: app.functions.map(({ name, bindings }) => ({ name, bindings, triggerType: triggerType(bindings) })) };
}

async function entryPaths({ directory, entries }: AppFiles): Promise<readonly string[]> {
  const paths = new Set<string>();
  for (const pattern of typeof entries === 'string' ? [entries] : entries) {
    const found: string[] = [];
    for await (const path of glob(pattern, { cwd: directory })) found.push(path);
    if (found.length === 0) throw new Error(`No entry file of the function app matches ${resolve(directory, pattern)}.`);
    for (const path of found.sort()) paths.add(resolve(directory, path));
  }
  return [...paths];
}

function triggerType(bindings: Readonly<Record<string, Binding>>): string {
  return Object.values(bindings).find(({ type }) => /trigger$/i.test(type))?.type ?? 'none';
}
