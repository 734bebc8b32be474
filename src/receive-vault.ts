/**
 * Events of Key Vault: one about the root of a mesh becomes the command that the daily inventory gives too, so that whichever comes first
 * is enough. A version that the vault made by itself prepares a rotation and is never used without being asked for.
 */
import type { VaultEvent } from './intake/vault-events.ts';
import type { Answer, Delivery } from './journal/stream.ts';
import type { AdoptedMesh } from './reconcile/adopted-specs.ts';
import type { Tending } from './reconcile/tending.ts';
import type { TrustCommand } from './trust/commands.ts';

export type VaultNews =
  | { readonly kind: 'answered'; readonly answers: readonly Answer[] }
  | { readonly kind: 'ignored'; readonly reason: string; readonly message: string }
  | { readonly kind: 'unfit'; readonly reason: string; readonly message: string };

export async function receiveVaultEvent(tending: Tending, meshes: readonly AdoptedMesh[], event: VaultEvent): Promise<VaultNews> {
  const { vault, name, objectType, change } = event;
  const using = meshes.filter(({ spec }) => isIn(spec.certificates?.vault, vault));
  if (using.length === 0) {
    return { kind: 'unfit', reason: 'FitsNoMesh', message: `No adopted mesh keeps its authorities in the vault ${vault}.` };
  }
  const ours = using.filter(({ spec }) => spec.certificates?.name.toLowerCase() === name.toLowerCase());
  if (objectType !== 'certificate' || ours.length === 0) {
    const message = `${name} in ${vault} is no root of a mesh; the inventory tells when it ends.`;
    return { kind: 'ignored', reason: 'NotARoot', message };
  }
  const delivery: Delivery = {
    id: event.deliveryId,
    actor: `Key Vault ${vault}`,
    evidence: { change, certificate: event.id, occurredAt: event.occurredAt, notAfter: event.notAfter ?? null },
    recordRefusal: true,
  };
  const answers = [];
  for (const { mesh } of ours) {
    if (change === 'new-version' && !(await tending.trust.isOfTheVault(mesh, event.id))) continue;
    answers.push(await tending.trust.give(mesh, delivery, commandOf(event)));
  }
  if (answers.length > 0) return { kind: 'answered', answers };
  return { kind: 'ignored', reason: 'MadeHere', message: `The version ${event.version} of ${name} was not made by the vault itself.` };
}

/** The first label of the vault's host is its name. */
const isIn = (address: string | undefined, vault: string): boolean =>
  address !== undefined && new URL(address).hostname.split('.')[0]?.toLowerCase() === vault;

const commandOf = ({ change, vault, id }: VaultEvent): TrustCommand =>
  change === 'new-version'
    ? { type: 'Rotate', cause: 'new-version', by: `Key Vault ${vault}`, version: id }
    : { type: 'Rotate', cause: 'due', by: `Key Vault ${vault}` };
