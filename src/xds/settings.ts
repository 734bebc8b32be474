/** What the xds program is told by its environment, and what is said of a setting that is missing or wrong: one sentence each. */
import { z } from 'zod';

const file = z.string().min(1);
const port = z
  .string()
  .regex(/^\d{1,5}$/)
  .transform(Number)
  .pipe(z.int().max(65_535));

const settingsSchema = z.object({
  /** The SQLite file that the functions write. */
  MESHWRIGHT_STATE_FILE: file,
  MESHWRIGHT_NODE_TOKEN_FILE: file,
  MESHWRIGHT_DESCRIPTORS: file,
  MESHWRIGHT_XDS_PORT: port.default(18_000),
  MESHWRIGHT_XDS_DOOR_PORT: port.default(18_001),
  /** The functions, to be hinted, and the token they take. */
  MESHWRIGHT_URL: z.url({ protocol: /^https?$/ }).optional(),
  MESHWRIGHT_TOKEN_FILE: file.optional(),
});
export type XdsSettings = z.infer<typeof settingsSchema>;

const WHAT: Readonly<Record<keyof XdsSettings, string>> = {
  MESHWRIGHT_STATE_FILE: 'the SQLite file that the functions write',
  MESHWRIGHT_NODE_TOKEN_FILE: "the file with the nodes' token",
  MESHWRIGHT_DESCRIPTORS: 'the descriptors that the build makes (xds/envoy.binpb)',
  MESHWRIGHT_XDS_PORT: 'a port from 0 to 65535',
  MESHWRIGHT_XDS_DOOR_PORT: 'a port from 0 to 65535',
  MESHWRIGHT_URL: 'an address of the functions that begins with https:// or http://',
  MESHWRIGHT_TOKEN_FILE: 'the file with the token that the functions take',
};
const isSetting = (name: PropertyKey | undefined): name is keyof XdsSettings => typeof name === 'string' && Object.hasOwn(WHAT, name);

export function readXdsSettings(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly ok: true; readonly settings: XdsSettings } | { readonly ok: false; readonly problems: readonly string[] } {
  // A setting that is there but empty is one that was not set.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = settingsSchema.safeParse(given);
  if (parsed.success) return { ok: true, settings: parsed.data };
  const names = new Set(parsed.error.issues.map(({ path }) => path[0]).filter(isSetting));
  return {
    ok: false,
    problems: [...names].map((name) => `The setting ${name} is ${given[name] === undefined ? 'not set' : 'wrong'}: give ${WHAT[name]}.`),
  };
}
