/** The one place that reads process.env: app settings of Azure, or what `npm start` sets. Parsed at first use, never at import. */
import { z } from 'zod';

/** Commas between them. */
const listOf = <Output>(item: z.ZodType<Output, string>) =>
  z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((each) => each.trim())
        .filter((each) => each !== ''),
    )
    .pipe(z.array(item));

const DOORS = ['alerts', 'events', 'metrics', 'observations'] as const;
const doorKeySchema = z
  .string()
  .regex(new RegExp(`^(${DOORS.join('|')})=[0-9a-f]{64}$`), {
    error: `write each key as <door>=<its SHA-256, hex>; the doors are ${DOORS.join(', ')}`,
  })
  .transform((text) => ({ door: text.split('=')[0], sha256: text.split('=')[1] }))
  .pipe(z.object({ door: z.enum(DOORS), sha256: z.string() }));

const settingsSchema = z.object({
  /** A SQLite file: the embedded state of a local host. */
  MESHWRIGHT_STATE_FILE: z.string().min(1).optional(),
  /** A Cosmos DB account: the state on Azure. */
  COSMOS__accountEndpoint: z.url().optional(),
  COSMOS__clientId: z.string().min(1).optional(),
  COSMOS__database: z.string().min(1).default('meshwright'),
  COSMOS__container: z.string().min(1).default('state'),
  /** The account of the Functions host, as its own connection names it: the queue of alarms is there. Left out, the sweep alone wakes. */
  AzureWebJobsStorage__accountName: z.string().min(1).optional(),
  AzureWebJobsStorage__clientId: z.string().min(1).optional(),
  /** The container that Event Grid writes what it could not deliver into, such as `https://<account>.blob.core.windows.net/dead-letters`. */
  MESHWRIGHT_DEAD_LETTERS_URL: z.url().optional(),
  /** Who may ask: holders of tokens of Entra ID on Azure, of the one token on one machine; nobody until it is said. */
  /** The account of the Functions host, as its own connection names it: the queue of alarms is there. Left out, the sweep alone wakes. */
  AzureWebJobsStorage__accountName: z.string().min(1).optional(),
  AzureWebJobsStorage__clientId: z.string().min(1).optional(),
  MESHWRIGHT_AUTH: z.enum(['entra', 'token', 'none']).default('none'),
  MESHWRIGHT_TOKEN_FILE: z.string().min(1).optional(),
  /** Ids of the tenants whose tokens are believed. */
  MESHWRIGHT_ENTRA_TENANTS: listOf(z.guid({ error: 'give the ids of tenants, with commas between them' })),
  /** Of the app registration: its client id (tokens of version 2.0), its URI (1.0), or both. */
  MESHWRIGHT_ENTRA_AUDIENCES: listOf(z.string().max(256)),
  /** Where tokens come from in national clouds; else `https://login.microsoftonline.com`. */
  MESHWRIGHT_ENTRA_AUTHORITY: z
    .url()
    .regex(/^https:|^http:\/\/127\.0\.0\.1:/, { error: 'give an https address' })
    .optional(),
  /** `<door>=<SHA-256 of the key, hex>`, several with commas between them: each key opens one door, a door may have several. */
  MESHWRIGHT_DOOR_KEYS: listOf(doorKeySchema),
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
  throw new Error(parsed.error.issues.map(({ path, message }) => `The setting ${String(path[0])} is wrong: ${message}.`).join(' '));
}

/** A setting that a spec names, such as the one that holds a webhook's address. */
export const namedSetting = (name: string): string | undefined => process.env[name] || undefined;
