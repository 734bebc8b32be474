/**
 * What Key Vault says of certificates and secrets: near their end, ended, a new version. Events are hints: the daily inventory finds
 * what none of them said. Format: https://learn.microsoft.com/azure/event-grid/event-schema-key-vault, whose samples have keys with a
 * space at the end, numbers as text and other upper case than the service's own definition: all of them are read.
 */
import { z } from 'zod';
import type { DeliveredEvent } from './delivery.ts';

type VaultChange = 'near-expiry' | 'expired' | 'new-version';

export interface VaultEvent {
  readonly kind: 'vault';
  /** Equal for every event that says the same of the same version. */
  readonly deliveryId: string;
  readonly change: VaultChange;
  readonly objectType: 'certificate' | 'secret';
  /** The vault's name, in lower case. */
  readonly vault: string;
  readonly name: string;
  readonly version: string;
  /** The object's address with its version. */
  readonly id: string;
  /** Epoch ms. */
  readonly occurredAt: number;
  readonly notAfter?: number;
}

export type VaultReading =
  | VaultEvent
  | { readonly kind: 'ignored'; readonly reason: 'NotOfCertificates'; readonly message: string }
  | { readonly kind: 'invalid'; readonly reason: 'MalformedData'; readonly message: string }
  /** It is about something else. */
  | { readonly kind: 'other' };

const TYPE = /^microsoft\.keyvault\.(certificate|secret|key|vault)([a-z]+)$/;
const CHANGES: Readonly<Record<string, VaultChange>> = { nearexpiry: 'near-expiry', expired: 'expired', newversioncreated: 'new-version' };

const name = z.string().trim().min(1).max(127);
const seconds = z.union([z.number(), z.string().trim().max(20).transform(Number)]).nullish();
const dataSchema = z.object({
  id: z.string().trim().min(1).max(1024),
  vaultname: name,
  objecttype: z.string().trim().max(32),
  objectname: name,
  version: name,
  exp: seconds,
});

export function readVaultEvent(event: DeliveredEvent): VaultReading {
  const [, about = '', what = ''] = TYPE.exec(event.type.toLowerCase()) ?? [];
  if (about === '') return { kind: 'other' };
  const change = CHANGES[what];
  if (change === undefined || (about !== 'certificate' && about !== 'secret')) {
    return {
      kind: 'ignored',
      reason: 'NotOfCertificates',
      message: `${event.type} says nothing of a certificate or secret that ends or begins.`,
    };
  }
  const parsed = dataSchema.safeParse(plainKeys(event.data));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const message = `${event.type}: \`data.${issue?.path.join('.') ?? ''}\` ${issue?.message ?? 'is not as Key Vault writes it'}.`;
    return { kind: 'invalid', reason: 'MalformedData', message };
  }
  const { id, vaultname, objecttype, objectname, version, exp } = parsed.data;
  if (objecttype.toLowerCase() !== about) {
    return { kind: 'invalid', reason: 'MalformedData', message: `${event.type} speaks of a ${objecttype}, which its type does not.` };
  }
  const vault = vaultname.toLowerCase();
  return {
    kind: 'vault',
    deliveryId: JSON.stringify(['vault', vault, objectname.toLowerCase(), version.toLowerCase(), `${about} ${change}`]),
    change,
    objectType: about,
    vault,
    name: objectname,
    version,
    id,
    occurredAt: event.time,
    ...(typeof exp === 'number' && Number.isFinite(exp) && exp > 0 ? { notAfter: exp * 1000 } : {}),
  };
}

/** Keys without spaces around them, in lower case. */
function plainKeys(data: unknown): unknown {
  if (data === null || typeof data !== 'object' || Array.isArray(data)) return data;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key.trim().toLowerCase(), value]));
}
