/**
 * The state of a mesh's trust: the root in force and the rotation to another, if one is under way. What workloads are to trust and who
 * signs for them follows from the phase alone (`settingsOf`), so that both can never be changed in one step.
 */
import { z } from 'zod';
import { certificatesSpecSchema } from '../spec/certificates-schema.ts';
import { type Authority, authoritySchema } from './certificates.ts';

export const CAUSES = ['asked', 'due', 'new-version', 'compromised', 'expired'] as const;
export const GATES = ['issuing', 'pruning'] as const;
export type ApprovedGate = (typeof GATES)[number];

const passing = {
  since: z.number(),
  /** When all that counts was first seen to be where it must be; the phase is left when it is seen again, newer. */
  passedAt: z.number().exactOptional(),
};

export const phaseSchema = z.discriminatedUnion('name', [
  /** The new root and its issuer are being made. */
  z.object({ name: z.literal('preparing'), since: z.number() }),
  /** They are there and verified; a person says whether they are used. */
  z.object({ name: z.literal('prepared'), since: z.number() }),
  /** Both roots are trusted as soon as everybody has them; the old one signs. */
  z.object({ name: z.literal('distributing'), ...passing }),
  /** Everybody trusts both; the new one signs. */
  z.object({ name: z.literal('issuing'), ...passing }),
  /** Everybody presents a leaf under the new root; those who were not seen have until `until`. */
  z.object({ name: z.literal('soaking'), ...passing, until: z.number() }),
  /** The new root alone is trusted. */
  z.object({ name: z.literal('pruned'), ...passing }),
  /** Nobody trusts the old root any more; its key is being disabled. */
  z.object({ name: z.literal('retired'), since: z.number() }),
  /** The way back: both roots again, the new one signs still. */
  z.object({ name: z.literal('restoring'), ...passing }),
  /** The way back: both roots, the old one signs; `until` as above, once everybody was seen under the old one. */
  z.object({ name: z.literal('returning'), ...passing, until: z.number().exactOptional() }),
  /** The way back: the old root alone. */
  z.object({ name: z.literal('dropping'), ...passing }),
  /** The new root serves nobody; its key is being disabled. */
  z.object({ name: z.literal('discarding'), since: z.number() }),
]);
export type Phase = Readonly<z.infer<typeof phaseSchema>>;
export type PhaseName = Phase['name'];

const rotationSchema = z.object({
  /** `r` and the version of the commit that began it. */
  id: z.string(),
  cause: z.enum(CAUSES),
  reason: z.string().exactOptional(),
  startedAt: z.number(),
  startedBy: z.string(),
  /** Who let a root be used that waited for it. */
  usedBy: z.string().exactOptional(),
  /** The version of the vault's certificate that it is about, where the vault has made one by itself. */
  adopts: z.string().exactOptional(),
  /** Absent while it is being made. */
  to: authoritySchema.exactOptional(),
  phase: phaseSchema,
  /** Who let it pass which gate. */
  approvals: z.partialRecord(z.enum(GATES), z.string()),
  /** The gate is let through whoever is behind; only of a compromise. */
  insisted: z.array(z.string()),
  /** The phase that has been held past its must-leave-by, once it was said. */
  overdue: z.string().exactOptional(),
  /** What keeps it in its phase, as it was last said. */
  heldBy: z.string().exactOptional(),
  /** Why it goes back. */
  aborted: z.object({ by: z.string(), reason: z.string().exactOptional(), from: z.string() }).exactOptional(),
});
export type Rotation = Readonly<z.infer<typeof rotationSchema>>;

export const expiringSchema = z.object({
  kind: z.enum(['root', 'issuer', 'serving', 'data-plane', 'vault']),
  name: z.string(),
  standing: z.enum(['due', 'late', 'expired', 'unseen']),
  /** Epoch ms: until when it counts; of what cannot be seen: absent. */
  notAfter: z.number().exactOptional(),
});
/** Something that somebody may have to see to. */
export type Expiring = Readonly<z.infer<typeof expiringSchema>>;

export const trustStateSchema = z.object({
  spec: certificatesSpecSchema.exactOptional(),
  trustDomain: z.string().exactOptional(),
  /** Of the mesh, sorted. */
  dataPlanes: z.array(z.string()),
  specVersion: z.number().int(),
  /** Leafs of a longer life than the spec's are alive until then. */
  formerLeafs: z.object({ lifeMs: z.number(), until: z.number() }).exactOptional(),
  /** The root in force; absent until the first is made. */
  current: authoritySchema.exactOptional(),
  /** The first root is being made. */
  establishing: z.boolean(),
  rotation: rotationSchema.exactOptional(),
  /** Fingerprints of roots under which another issuer is being made. */
  renewing: z.array(z.string()),
  /** Version of the commit that changed the settings last. */
  settingsVersion: z.number().int(),
  /** The last ones that ended, newest first. */
  ended: z.array(
    z.object({
      id: z.string(),
      cause: z.enum(CAUSES),
      at: z.number(),
      outcome: z.enum(['rotated', 'aborted']),
      /** Certificates of the vault that it was about: news of them that come late are no news. */
      certificateIds: z.array(z.string()),
    }),
  ),
  /** Of what people were told by the inventory, as long as it is so; heads of before have none. */
  noted: z.array(expiringSchema).default([]),
});
export type TrustState = Readonly<z.infer<typeof trustStateSchema>>;

export const initialTrustState: TrustState = {
  dataPlanes: [],
  specVersion: 0,
  establishing: false,
  renewing: [],
  settingsVersion: 0,
  ended: [],
  noted: [],
};

/** What workloads are to trust, and who signs for them. */
export interface TrustSettings {
  /** Roots; the first is the one that signs. */
  readonly roots: readonly Authority[];
  readonly signer: Authority;
}

/** `undefined`: there is no root yet. */
export function settingsOf({ current, rotation }: TrustState): TrustSettings | undefined {
  if (!current) return undefined;
  const to = rotation?.to;
  if (!rotation || !to) return { roots: [current], signer: current };
  switch (rotation.phase.name) {
    case 'preparing':
    case 'prepared':
    case 'dropping':
    case 'discarding':
      return { roots: [current], signer: current };
    case 'distributing':
    case 'returning':
      return { roots: [current, to], signer: current };
    case 'issuing':
    case 'soaking':
    case 'restoring':
      return { roots: [to, current], signer: to };
    case 'pruned':
    case 'retired':
      return { roots: [to], signer: to };
  }
}

const WAY_BACK: readonly PhaseName[] = ['restoring', 'returning', 'dropping', 'discarding'];
export const goesBack = (phase: PhaseName): boolean => WAY_BACK.includes(phase);
