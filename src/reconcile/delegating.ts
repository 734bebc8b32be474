/**
 * Handing a data plane that signs leafs by itself what it signs with. The key is made here, goes to the data plane and is kept by nobody:
 * whichever run ends before it is there leaves an issuer that signs nothing, and the next one makes another.
 */
import { generateKeyPairSync } from 'node:crypto';
import { delegateIssuer } from '../trust/authorities.ts';
import type { TrustCommand } from '../trust/commands.ts';
import type { DataPlaneTrust, DelegatedIssuer } from '../trust/data-plane-trust.ts';
import { settingsOf, type TrustState } from '../trust/state.ts';
import { renewIssuerAt } from '../trust/timing.ts';
import type { Vault } from '../trust/vault.ts';

export interface DelegatingPorts {
  readonly now: () => number;
  readonly vault: (spec: NonNullable<TrustState['spec']>) => Promise<Vault>;
  /** Comes back once it is written down. */
  readonly promptTrust: (mesh: string, promptId: string, command: TrustCommand) => Promise<unknown>;
  /** Whether an issuer is known to stand under a root of the mesh. */
  readonly isKnown: (mesh: string, issuer: string) => Promise<boolean>;
}

/** Something has happened meanwhile; the next try sees what. */
export class NotDelegated extends Error {
  override readonly name = 'NotDelegated';
}

/**
 * Makes what the data plane is to sign with in place of what it signs with; `undefined`: it goes on with that, an issuer under the root that is to
 * sign, with more than half of its life left. Throws what `signer` throws; what is made, what the vault throws.
 */
export async function newSigner(
  ports: DelegatingPorts,
  { mesh, dataPlane }: { readonly mesh: string; readonly dataPlane: string },
  { signer: signsNow }: NonNullable<DataPlaneTrust['signing']>,
  state: TrustState,
): Promise<(() => Promise<DelegatedIssuer>) | undefined> {
  const { spec, trustDomain } = state;
  const root = settingsOf(state)?.signer;
  if (!root || !spec || trustDomain === undefined) return undefined;
  const held = await signsNow();
  const known = root.delegated?.find((each) => each.fingerprint === held && each.dataPlane === dataPlane);
  if (known && ports.now() < (renewIssuerAt({ issuer: known, notAfter: root.notAfter }) ?? known.notAfter)) return undefined;
  return async () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const publicKey = new Uint8Array(pair.publicKey.export({ type: 'spki', format: 'der' }));
    const asked = { spec, trustDomain, now: ports.now(), publicKey };
    const { certificate, ...record } = await delegateIssuer(await ports.vault(spec), root, asked);
    // First: whoever is seen with a leaf under it has to be known.
    const command = { type: 'Delegate', root: root.fingerprint, delegation: { dataPlane, ...record } } as const;
    await ports.promptTrust(mesh, `delegated/${mesh}/${record.fingerprint}`, command);
    if (!(await ports.isKnown(mesh, record.fingerprint)))
      throw new NotDelegated(`The root that ${dataPlane} was to sign under signs for nobody any more.`);
    return { fingerprint: record.fingerprint, certificate, key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  };
}
