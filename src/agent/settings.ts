/** What an agent is told: which Envoy it stands beside, who gives out certificates, and by which token it says who its workload is. */
import { isAbsolute } from 'node:path';
import { z } from 'zod';

const file = z.string().min(1);
const directory = z.string().refine(isAbsolute, { error: 'give an absolute path' });

/** A token that is sent in plaintext is anybody's; on this machine there is nobody to read it. */
const door = z.url().refine(
  (text) => {
    const url = URL.parse(text);
    if (url?.username !== '' || url.password !== '') return false;
    return url.protocol === 'https:' || (url.protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname));
  },
  { error: 'give an https address without a name or password; http for this machine alone' },
);

const settingsSchema = z
  .object({
    MESHWRIGHT_URL: door,
    MESHWRIGHT_MESH: z.string().min(1).max(63),
    MESHWRIGHT_DATA_PLANE: z.string().min(1).max(63),
    /** As in the Envoy's bootstrap. */
    MESHWRIGHT_NODE: z.string().regex(/^[\x21-\x7e]{1,253}$/, { error: 'give up to 253 letters without spaces' }),
    /** Where Envoy looks for `default.yaml` and `bundle.yaml`. */
    MESHWRIGHT_IDENTITY_DIRECTORY: directory,
    MESHWRIGHT_JOIN_TOKEN_FILE: file.optional(),
    MESHWRIGHT_KUBERNETES_TOKEN_FILE: file.optional(),
    MESHWRIGHT_ENTRA_TOKEN_FILE: file.optional(),
    /** Needed only where the token lets its holder be several. */
    MESHWRIGHT_SPIFFE_ID: z.string().startsWith('spiffe://').max(2_048).optional(),
    /** Envoy's admin interface; without it, and without the door of the xds server, nothing is reported. */
    MESHWRIGHT_ENVOY_ADMIN: door.optional(),
    MESHWRIGHT_XDS_URL: door.optional(),
    MESHWRIGHT_NODE_TOKEN_FILE: file.optional(),
  })
  .transform((given, context) => {
    const tokens = [
      ['kubernetes', given.MESHWRIGHT_KUBERNETES_TOKEN_FILE],
      ['entra', given.MESHWRIGHT_ENTRA_TOKEN_FILE],
      ['join', given.MESHWRIGHT_JOIN_TOKEN_FILE],
    ] as const;
    const [token, ...more] = tokens.flatMap(([kind, path]) => (path === undefined ? [] : [{ kind, path }]));
    if (!token || more.length > 0) {
      context.addIssue('name the file of one token: of a join token, of a Kubernetes service account or of Entra ID');
      return z.NEVER;
    }
    const { MESHWRIGHT_ENVOY_ADMIN: admin, MESHWRIGHT_XDS_URL: xds, MESHWRIGHT_NODE_TOKEN_FILE: nodeTokenFile } = given;
    if ([admin, xds, nodeTokenFile].some((each) => each !== undefined) && !(admin && xds && nodeTokenFile)) {
      context.addIssue(
        "to report what Envoy has loaded, name all three: Envoy's admin, the xds server's door and the file of the node token",
      );
      return z.NEVER;
    }
    return {
      url: given.MESHWRIGHT_URL,
      mesh: given.MESHWRIGHT_MESH,
      dataPlane: given.MESHWRIGHT_DATA_PLANE,
      node: given.MESHWRIGHT_NODE,
      directory: given.MESHWRIGHT_IDENTITY_DIRECTORY,
      token,
      ...(given.MESHWRIGHT_SPIFFE_ID === undefined ? {} : { spiffeId: given.MESHWRIGHT_SPIFFE_ID }),
      ...(admin && xds && nodeTokenFile ? { reporting: { admin, xds, nodeTokenFile } } : {}),
    };
  });
export type AgentSettings = z.infer<typeof settingsSchema>;

/** Or one sentence a setting. */
export function readAgentSettings(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly ok: true; readonly settings: AgentSettings } | { readonly ok: false; readonly problems: readonly string[] } {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = settingsSchema.safeParse(given);
  if (parsed.success) return { ok: true, settings: parsed.data };
  return { ok: false, problems: parsed.error.issues.map(({ path, message }) => [...path, message].join(': ')) };
}
