/** The one place that reads process.env: app settings of Azure, or what `npm start` sets. Parsed at first use, never at import. */
import { z } from 'zod';

const settingsSchema = z.object({
  /** A SQLite file: the embedded state of a local host. */
  MESHWRIGHT_STATE_FILE: z.string().min(1).optional(),
  /** A Cosmos DB account: the state on Azure. */
  COSMOS__accountEndpoint: z.url().optional(),
  COSMOS__clientId: z.string().min(1).optional(),
  COSMOS__database: z.string().min(1).default('meshwright'),
  COSMOS__container: z.string().min(1).default('state'),
  MESHWRIGHT_AUTH: z.enum(['token', 'function-keys', 'none']).default('none'),
  MESHWRIGHT_TOKEN_FILE: z.string().min(1).optional(),
  /** Where the xds server is told that the model moved, such as `http://127.0.0.1:18001`. */
  MESHWRIGHT_XDS_URL: z.url().optional(),
  /** Address of the page, for the links in cards. */
  MESHWRIGHT_URL: z.url().optional(),
  /** For tests of crashes: names an event type; the process ends between each commit that holds it and its effects. */
  MESHWRIGHT_FAILPOINT_AFTER_COMMIT: z.string().min(1).optional(),
});
export type Settings = z.infer<typeof settingsSchema>;

/** Throws an error with one sentence a setting. */
export function readSettings(environment: Readonly<Record<string, string | undefined>> = process.env): Settings {
  // An app setting that is there but empty is one that was not set.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = settingsSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new Error(parsed.error.issues.map(({ path, message }) => `The setting ${path.join('.')} is wrong: ${message}.`).join(' '));
}

/** A setting that a spec names, such as the one that holds a webhook's address. */
export const namedSetting = (name: string): string | undefined => process.env[name] || undefined;
