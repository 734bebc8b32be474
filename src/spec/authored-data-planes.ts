/** How a mesh's data planes are written: what runs there, and how it is reached. */
import { z } from 'zod';
import { keyVault, present } from './authored-fields.ts';
import { nameSchema } from './names.ts';
import { DATA_PLANE_KINDS, type DataPlaneSpec } from './schema.ts';

const AKS_NAMESPACE = 'aks-istio-system';
const ONLY_ADD_ON =
  'only the add-on of AKS takes its CA from secrets of a Key Vault; leave this out, or say `controlPlaneNamespace: aks-istio-system`';
const SETTING = /^[A-Za-z_][A-Za-z0-9_]*$/;
const AKS = /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.ContainerService\/managedClusters\/[^/]+$/i;

/** The name of an app setting; what it holds is a secret and has no place in Git. */
const setting = (holds: string, example: string) =>
  z
    .string()
    .max(128)
    .regex(SETTING, { error: `give the name of the app setting that holds ${holds}, such as \`${example}\`` });

const cluster = z
  .strictObject({
    kubeconfigSetting: setting('the kubeconfig, that in base64, or the path of its file', 'KUBECONFIG_WEST').optional(),
    context: z.string().min(1).max(253).optional().describe('Which context of the kubeconfig (its current one)'),
    aks: z
      .string()
      .max(1024)
      .regex(AKS, { error: 'give the whole resource id of an AKS cluster, beginning with `/subscriptions/`' })
      .optional()
      .describe('The resource id of an AKS cluster, reached by managed identity'),
  })
  .transform(({ kubeconfigSetting, context, aks }, issues) => {
    if (aks !== undefined && kubeconfigSetting === undefined && context === undefined) return { aks };
    if (kubeconfigSetting !== undefined && aks === undefined) return { kubeconfigSetting, ...present({ context }) };
    issues.addIssue({ code: 'custom', message: 'give either `aks` or `kubeconfigSetting` with a `context` or without' });
    return z.NEVER;
  });

const common = {
  name: nameSchema.describe('What services and reports call it'),
  region: z.string().min(1).max(64).optional().describe('Where it runs, such as `westeurope`'),
};
const kubernetes = {
  ...common,
  cluster: cluster.optional().describe('How its API server is reached; without it the data plane can be planned and exported, not applied'),
  takeOver: z.boolean().optional().describe('Take fields over that another field manager owns (false: that is refused, and said)'),
  observe: z
    .boolean()
    .optional()
    .describe('Whether it can be seen what its proxies serve (true); false: what was applied counts as served, and reports say so'),
};
const controlPlaneNamespace = nameSchema.optional();

/** Of Key Vault; a suffix of ours has room besides. */
const secretName = z
  .string()
  .regex(/^[0-9A-Za-z-]{1,120}$/, { error: 'give the name of a Key Vault secret: letters, digits and `-`, 120 at most' })
  .optional();
const caSecrets = z
  .strictObject({
    vault: keyVault,
    rootCert: secretName.describe('`--root-cert-object-name` (root-cert)'),
    caCert: secretName.describe('`--ca-cert-object-name` (ca-cert)'),
    caKey: secretName.describe('`--ca-key-object-name` (ca-key)'),
    certChain: secretName.describe('`--cert-chain-object-name` (cert-chain)'),
  })
  .transform(({ vault, rootCert = 'root-cert', caCert = 'ca-cert', caKey = 'ca-key', certChain = 'cert-chain' }, issues) => {
    const names = [rootCert, caCert, caKey, certChain, `${caKey}-next`].map((name) => name.toLowerCase());
    if (new Set(names).size < names.length)
      issues.addIssue({ code: 'custom', message: 'name four secrets that differ, also from `<caKey>-next`, where the next issuer waits' });
    return { vault, rootCert, caCert, caKey, certChain };
  })
  .optional();
const seen = (written: { takeOver?: boolean | undefined; observe?: boolean | undefined }) => ({
  takeOver: written.takeOver ?? false,
  observe: written.observe ?? true,
});

const kinds = DATA_PLANE_KINDS.map((kind) => `\`${kind}\``);
const listed = `${kinds.slice(0, -1).join(', ')} and ${kinds.at(-1)}`;

export const authoredDataPlaneSchema = z
  .discriminatedUnion(
    'kind',
    [
      z.strictObject({ kind: z.literal('envoy'), ...common }),
      z.strictObject({
        kind: z.literal('istio'),
        ...kubernetes,
        controlPlaneNamespace: controlPlaneNamespace.describe(
          'Where istiod runs (istio-system; aks-istio-system where `revision` is one of AKS)',
        ),
        revision: nameSchema.optional().describe('The value of `istio.io/rev`, such as `asm-1-26`'),
        caSecrets: caSecrets.describe(
          'The Key Vault secrets that the Istio add-on of AKS takes its CA from, as named at `az aks mesh enable`',
        ),
      }),
      z.strictObject({
        kind: z.literal('gateway-api'),
        ...kubernetes,
        controlPlaneNamespace: controlPlaneNamespace.describe('Where the implementation runs (istio-system)'),
        experimental: z.boolean().optional().describe('Whether fields of the experimental channel may be used (false)'),
      }),
      z.strictObject({
        kind: z.literal('linkerd'),
        ...kubernetes,
        controlPlaneNamespace: controlPlaneNamespace.describe('Where its control plane runs (linkerd)'),
      }),
      z.strictObject({
        kind: z.literal('osm'),
        ...kubernetes,
        controlPlaneNamespace: controlPlaneNamespace.describe('Where osm-controller runs (osm-system)'),
      }),
      z.strictObject({
        kind: z.literal('consul'),
        ...common,
        address: z
          .url({ protocol: /^https?$/ })
          .refine((address) => !/^[^/]*\/\/[^/?#]*@/.test(address), {
            error: 'name the server without a user or password: specs are read by many; an ACL token is named by `tokenSetting`',
          })
          .optional()
          .describe('Its HTTP API; without it the data plane can be planned and exported, not applied'),
        tokenSetting: setting('the ACL token', 'CONSUL_TOKEN').optional(),
        defaultPolicy: z.enum(['allow', 'deny']).describe('What happens to calls that no intention speaks of: its ACL default policy'),
        takeOver: kubernetes.takeOver.describe('Take entries over that somebody else wrote (false: that is refused, and said)'),
      }),
    ],
    { error: (issue) => (issue.code === 'invalid_union' ? `say which kind of data plane it is: ${listed}` : undefined) },
  )
  .transform((written, issues): DataPlaneSpec => {
    const { name, region } = written;
    const base = { name, ...present({ region }) };
    if (written.kind === 'envoy') return { kind: written.kind, ...base };
    if (written.kind === 'consul') {
      const { kind, address, tokenSetting, defaultPolicy, takeOver } = written;
      return { kind, ...base, ...present({ address, tokenSetting }), defaultPolicy, takeOver: takeOver ?? false };
    }
    const reached = { ...base, ...present({ cluster: written.cluster }), ...seen(written) };
    switch (written.kind) {
      case 'istio': {
        const { kind, revision, caSecrets: secrets } = written;
        const home = written.controlPlaneNamespace ?? (revision?.startsWith('asm-') ? AKS_NAMESPACE : 'istio-system');
        if (secrets && home !== AKS_NAMESPACE) issues.addIssue({ code: 'custom', path: ['caSecrets'], message: ONLY_ADD_ON });
        return { kind, ...reached, controlPlaneNamespace: home, ...present({ revision, caSecrets: secrets }) };
      }
      case 'gateway-api': {
        const { kind, experimental } = written;
        return {
          kind,
          ...reached,
          controlPlaneNamespace: written.controlPlaneNamespace ?? 'istio-system',
          experimental: experimental ?? false,
        };
      }
      case 'linkerd':
        return { kind: written.kind, ...reached, ...present({ controlPlaneNamespace: written.controlPlaneNamespace }) };
      case 'osm':
        return { kind: written.kind, ...reached, controlPlaneNamespace: written.controlPlaneNamespace ?? 'osm-system' };
    }
  });
