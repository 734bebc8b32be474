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

/** Plain HTTP to this machine alone, where a stand-in may be. */
const httpsAddress = z.url({ error: 'give an https address' }).regex(/^https:|^http:\/\/127\.0\.0\.1:/, { error: 'give an https address' });
const webAddress = z.url({ protocol: /^https?$/, error: 'give an address that begins with https:// or http://' });
const clientId = z.guid({ error: 'give the client id of a managed identity' });
const cosmosName = z.string().regex(/^[^/\\?#]{1,255}$/, { error: 'give a name without / \\ ? and #' });

const settingsSchema = z.object({
  /** A SQLite file: the embedded state of a local host. */
  MESHWRIGHT_STATE_FILE: z.string().min(1).optional(),
  /** A Cosmos DB account: the state on Azure. */
  COSMOS__accountEndpoint: httpsAddress.optional(),
  COSMOS__clientId: clientId.optional(),
  COSMOS__database: cosmosName.default('meshwright'),
  COSMOS__container: cosmosName.default('state'),
  /** The account of the Functions host, as its own connection names it: the queue of alarms is there. Left out, the sweep alone wakes. */
  AzureWebJobsStorage__accountName: z
    .string()
    .regex(/^[a-z0-9]{3,24}$/, { error: 'give the name of a storage account, not its address' })
    .optional(),
  AzureWebJobsStorage__clientId: clientId.optional(),
  /** The container that Event Grid writes what it could not deliver into, such as `https://<account>.blob.core.windows.net/dead-letters`. */
  MESHWRIGHT_DEAD_LETTERS_URL: httpsAddress.optional(),
  /** The container, best with an immutability policy, that the journal is anchored in each day: `https://<account>.blob.core.windows.net/journal-anchors`. */
  MESHWRIGHT_ANCHORS_URL: httpsAddress.optional(),
  /** Of a data collection rule, by which commits are streamed to Log Analytics: its address, its immutable id, and its name for the rows. */
  MESHWRIGHT_AUDIT_ENDPOINT: httpsAddress.optional(),
  MESHWRIGHT_AUDIT_RULE: z
    .string()
    .regex(/^dcr-[0-9a-f]{32}$/, { error: 'give the immutable id of a data collection rule, dcr-…' })
    .optional(),
  MESHWRIGHT_AUDIT_STREAM: z
    .string()
    .regex(/^Custom-\w{1,90}$/, { error: 'give the name that the rule has for the rows, Custom-…' })
    .default('Custom-MeshwrightJournal_CL'),
  /** Who may ask: holders of tokens of Entra ID on Azure, of the one token on one machine; nobody until it is said. */
  MESHWRIGHT_AUTH: z.enum(['entra', 'token', 'none'], { error: 'write entra, token or none' }).default('none'),
  MESHWRIGHT_TOKEN_FILE: z.string().min(1).optional(),
  /** Ids of the tenants whose tokens are believed. */
  MESHWRIGHT_ENTRA_TENANTS: listOf(z.guid({ error: 'give the ids of tenants, with commas between them' })),
  /** Of the app registration: its client id (tokens of version 2.0), its URI (1.0), or both. */
  MESHWRIGHT_ENTRA_AUDIENCES: listOf(z.string().max(256, { error: 'give client ids or URIs, of up to 256 letters' })),
  /** Where tokens come from in national clouds; else `https://login.microsoftonline.com`. */
  MESHWRIGHT_ENTRA_AUTHORITY: httpsAddress.optional(),
  /** `<door>=<SHA-256 of the key, hex>`, several with commas between them: each key opens one door, a door may have several. */
  MESHWRIGHT_DOOR_KEYS: listOf(doorKeySchema),
  /** Where the xds server is told that the model moved, such as `http://127.0.0.1:18001`. */
  MESHWRIGHT_XDS_URL: webAddress.optional(),
  /** Address of the page, for the links in cards. */
  MESHWRIGHT_URL: webAddress.optional(),
  /** For tests on one machine: `true` lets cards go to addresses of its own. */
  MESHWRIGHT_LOOPBACK_WEBHOOKS: z.enum(['true', 'false'], { error: 'write true or false' }).default('false'),
  /** For tests of crashes: names an event type; the process ends between each commit that holds it and its effects. */
  MESHWRIGHT_FAILPOINT_AFTER_COMMIT: z.string().min(1).optional(),
});
export type Settings = z.infer<typeof settingsSchema>;

/** For whoever holds other lists of settings to this one. */
export const SETTINGS: readonly string[] = Object.keys(settingsSchema.shape);

/** Throws an error with one sentence a setting. */
export function readSettings(environment: Readonly<Record<string, string | undefined>> = process.env): Settings {
  // An app setting that is there but empty is one that was not set.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = settingsSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  // One sentence a setting, whatever is wrong with how many parts of it.
  const wrong = new Map(parsed.error.issues.map(({ path, message }) => [String(path[0]), message]));
  throw new Error([...wrong].map(([setting, message]) => `The setting ${setting} is wrong: ${message}.`).join(' '));
}

/** A setting that a spec names, such as the one that holds a webhook's address. */
export const namedSetting = (name: string): string | undefined => process.env[name] || undefined;
