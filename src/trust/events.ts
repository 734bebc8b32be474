/** What happened to a mesh's trust: the facts its stream records. Parsed on every read; old words are brought up to date here. */
import { z } from 'zod';
import { certificatesSpecSchema } from '../spec/certificates-schema.ts';
import { authoritySchema, delegationSchema, issuerSchema } from './certificates.ts';
import { CAUSES, expiringSchema, GATES } from './state.ts';

const by = z.string();
const reason = z.string().exactOptional();

export const trustEventSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('TrustSpecified'),
    spec: certificatesSpecSchema,
    trustDomain: z.string(),
    dataPlanes: z.array(z.string()),
    specVersion: z.number().int(),
  }),
  /** Certificates are no longer made here; what was issued ends by itself. */
  z.object({ type: z.literal('TrustReleased'), specVersion: z.number().int() }),
  z.object({ type: z.literal('EstablishingBegun') }),
  z.object({ type: z.literal('AuthorityEstablished'), authority: authoritySchema }),
  z.object({ type: z.literal('RotationBegun'), cause: z.enum(CAUSES), by, reason, adopts: z.string().exactOptional() }),
  /** The new root and its issuer are made, and every chain verifies. */
  z.object({ type: z.literal('AuthorityPrepared'), authority: authoritySchema }),
  z.object({ type: z.literal('DistributionBegun'), by: by.exactOptional() }),
  z.object({ type: z.literal('IssuingBegun') }),
  z.object({ type: z.literal('SoakBegun'), until: z.number() }),
  z.object({ type: z.literal('BundlePruned') }),
  z.object({ type: z.literal('RetirementBegun') }),
  z.object({ type: z.literal('RotationCompleted') }),
  /** It is about more than it was: the old root is compromised, or has ended meanwhile. */
  z.object({ type: z.literal('RotationHastened'), cause: z.enum(['compromised', 'expired']), by, reason }),
  /** All that counts is where it must be, seen once; `members`: how many; `until`: leafs of the other root may count so long. */
  z.object({ type: z.literal('GatePassedOnce'), phase: z.string(), members: z.number().int(), until: z.number().exactOptional() }),
  /** Some are behind again. */
  z.object({ type: z.literal('GateFellBack'), phase: z.string() }),
  z.object({ type: z.literal('PhaseHeld'), phase: z.string(), because: z.string() }),
  z.object({ type: z.literal('PhaseOverdue'), phase: z.string(), because: z.string() }),
  z.object({ type: z.literal('GateApproved'), gate: z.enum(GATES), by }),
  /** It goes on though these are behind: a person accepts that they break. `unseen`: data planes, any of whose workloads may. */
  z.object({
    type: z.literal('GateForced'),
    phase: z.string(),
    by,
    behind: z.array(z.string()),
    more: z.number().int(),
    unseen: z.array(z.string()).default([]),
  }),
  z.object({ type: z.literal('AbortBegun'), by, reason, from: z.string() }),
  /** It goes forward again from where it is on its way back. */
  z.object({ type: z.literal('AbortRevoked'), by, reason }),
  z.object({ type: z.literal('RootsRestored') }),
  z.object({ type: z.literal('IssuerReturned') }),
  z.object({ type: z.literal('NewRootDropped') }),
  z.object({ type: z.literal('DiscardingBegun') }),
  z.object({ type: z.literal('RotationAborted') }),
  z.object({ type: z.literal('IssuerDue'), root: z.string() }),
  /** Another issuer under the same root: trust does not change. */
  z.object({ type: z.literal('IssuerRenewed'), root: z.string(), issuer: issuerSchema }),
  /** This data plane is about to be handed the key of an issuer under this root. */
  z.object({ type: z.literal('IssuerDelegated'), root: z.string(), delegation: delegationSchema.omit({ due: true }) }),
  /** Half of the life of what it signs with is over. */
  z.object({ type: z.literal('DelegationDue'), root: z.string(), dataPlane: z.string() }),
  /** All that is due, late, over or unseen by now: people know of it. */
  z.object({ type: z.literal('ExpiryNoted'), items: z.array(expiringSchema) }),
]);
export type TrustEvent = z.infer<typeof trustEventSchema>;
