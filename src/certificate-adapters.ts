/** What certificates need of the outside: the vault that a spec names, whose tokens are believed, and how data planes change their trust. */
import { randomBytes } from 'node:crypto';
import { xdsPoke } from './adapters/xds-poke.ts';
import type { TrustAdapters } from './app.ts';
import { envoyTrust } from './dataplanes/envoy/trust.ts';
import type { Settings } from './environment.ts';
import type { Documents } from './journal/documents.ts';
import type { CertificatesSpec } from './spec/certificates-schema.ts';
import type { TokenVerifier } from './trust/attestation.ts';
import { type Vault, VaultRefused } from './trust/vault.ts';

/** Sealed files on one machine, or Key Vaults on Azure. */
export type VaultSource =
  | { readonly kind: 'files'; readonly directory: string }
  | { readonly kind: 'azure'; readonly open: (url: string) => Promise<Vault> };

/** `farAway`: how every data plane but a plain Envoy changes its trust. */
export function certificateAdapters(
  documents: Documents,
  settings: Settings,
  source: VaultSource,
  farAway: TrustAdapters['connect'],
): TrustAdapters {
  const refusal = (spec: CertificatesSpec) => refusalOf(source, spec, settings.MESHWRIGHT_AUTH);
  const vaults = new Map<string, Promise<Vault>>();
  const poke = xdsPoke(settings.MESHWRIGHT_XDS_URL);

  /** Opened once; a failure to open is not remembered. */
  function opened(key: string, open: () => Promise<Vault>): Promise<Vault> {
    const known = vaults.get(key) ?? open();
    vaults.set(key, known);
    known.catch(() => vaults.delete(key));
    return known;
  }

  return {
    refusal,
    async vault(spec) {
      const refused = refusal(spec);
      if (refused !== undefined) throw new VaultRefused(refused);
      if (source.kind === 'files') {
        return opened('', async () => (await import('./adapters/local-vault.ts')).openLocalVault(source.directory));
      }
      const url = spec.vault ?? '';
      return opened(url, () => source.open(url));
    },
    connect: (mesh, dataPlane) => (dataPlane.kind === 'envoy' ? envoyTrust(documents, dataPlane.name, poke) : farAway(mesh, dataPlane)),
    tokens: lazily(async () => (await import('./adapters/token-verifier.ts')).tokenVerifier({ now: Date.now })),
    random: randomBytes,
  };
}

function refusalOf(source: VaultSource, { vault, approvals }: CertificatesSpec, callers: Settings['MESHWRIGHT_AUTH']): string | undefined {
  // Whoever has the token of a local host is the same caller: nobody could approve as somebody else.
  if (approvals.length > 0 && callers !== 'entra')
    return 'Callers have names of their own with MESHWRIGHT_AUTH "entra" alone, and nobody else could approve; leave `approvals` out of `certificates`.';
  if (source.kind === 'files' && vault !== undefined)
    return 'This host keeps its authorities in sealed files of its own; leave `vault` out of `certificates`.';
  if (source.kind === 'azure' && vault === undefined) return 'Name the Key Vault that holds the authorities, as `vault` of `certificates`.';
  return undefined;
}

/** Verifying tokens takes a library that most of what runs here never needs. */
function lazily(make: () => Promise<TokenVerifier>): TokenVerifier {
  let made: Promise<TokenVerifier> | undefined;
  return {
    async attest(token, kind, rules) {
      made ??= make();
      return (await made).attest(token, kind, rules);
    },
  };
}
