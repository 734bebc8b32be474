/**
 * The state of one service's stream: what serves (stable), what is on its way (the rollout), and what must be remembered
 * to judge the next delivery. Times are epoch ms; weights whole percentages that sum to 100.
 */
import { z } from 'zod';
import { serviceSpecSchema } from '../spec/schema.ts';
import { driftSchema } from './difference.ts';

/** One artifact under one version label. `digest` tells two pushes of the same label apart. */
export const releaseSchema = z.object({ version: z.string(), digest: z.string().exactOptional() });
export type Release = Readonly<z.infer<typeof releaseSchema>>;

export const releaseKey = (release: Release): string =>
  release.digest === undefined ? release.version : `${release.version}@${release.digest}`;
/** A label without a digest speaks for whatever runs under it. */
export const sameRelease = (a: Release, b: Release): boolean =>
  a.version === b.version && (a.digest === undefined || b.digest === undefined || a.digest === b.digest);

const weightedVersionSchema = z.object({ version: z.string(), weight: z.number().int().min(0).max(100) });

const stepSchema = z.object({ weight: z.number().int(), holdMs: z.number(), deadlineMs: z.number() });

/** Why a version is taken back. */
export const causeSchema = z.object({ reason: z.string(), message: z.string() });
export type Cause = Readonly<z.infer<typeof causeSchema>>;

/** By data plane: what it refuses of what must go back. */
const refusalsSchema = z.record(z.string(), z.string());

const phaseSchema = z.discriminatedUnion('name', [
  /** No traffic yet: waits for firing alerts to end, for the candidate to be seen ready, or for a change of trust to be seen everywhere. */
  z.object({ name: z.literal('waiting'), deadline: z.number(), because: z.enum(['AlertFiring', 'NotReady', 'TrustChanging']) }),
  /** The step's weight is written; its clock starts when every data plane was seen to serve it. */
  z.object({
    name: z.literal('shifting'),
    step: z.number().int(),
    revision: z.number().int(),
    deadline: z.number(),
    served: z.array(z.string()),
    /** A person promoted it: it is stable as soon as it is served everywhere. */
    promoted: z.boolean(),
    refusal: z.object({ dataPlane: z.string(), message: z.string() }).exactOptional(),
  }),
  /** Served everywhere; goes on at `until` if nothing speaks against it, and back at `deadline` otherwise. */
  z.object({
    name: z.literal('holding'),
    step: z.number().int(),
    until: z.number(),
    deadline: z.number(),
    overdue: z.boolean(),
    /** What speaks against it, once it is overdue; heads of before have none. */
    heldBy: z.string().exactOptional(),
    /** That is only advice: at `deadline` it goes on all the same. */
    advised: z.boolean().exactOptional(),
  }),
  z.object({ name: z.literal('paused'), step: z.number().int(), deadline: z.number() }),
  /** Must go back, but stable is known to have no ready endpoint: weights stay, each report is tried. */
  z.object({
    name: z.literal('blocked'),
    cause: causeSchema,
    deadline: z.number(),
    extended: z.number().int(),
    refusals: refusalsSchema.exactOptional(),
  }),
  /** All weight is on stable again; done when every data plane was seen to serve it. */
  z.object({
    name: z.literal('returning'),
    cause: causeSchema,
    revision: z.number().int(),
    deadline: z.number(),
    extended: z.number().int(),
    served: z.array(z.string()),
    refusals: refusalsSchema.exactOptional(),
  }),
]);
export type Phase = z.infer<typeof phaseSchema>;

export const rolloutSchema = z.object({
  /** The version of the commit that started it. */
  id: z.number().int(),
  candidate: releaseSchema,
  startedAt: z.number(),
  /** When the candidate first received traffic. */
  exposedAt: z.number().exactOptional(),
  /** As the spec said when it started: later changes apply to the next rollout. */
  steps: z.array(stepSchema).min(1),
  pauseDeadlineMs: z.number(),
  startDeadlineMs: z.number(),
  returnDeadlineMs: z.number(),
  phase: phaseSchema,
});
export type Rollout = z.infer<typeof rolloutSchema>;

/** A place in the order of one registry repository: source time, and the digest where times are equal. */
export const placeSchema = z.object({ repository: z.string(), at: z.number(), tie: z.string() });
export type Place = Readonly<z.infer<typeof placeSchema>>;

/** Either time may come first: deliveries overtake each other. */
export const alertSchema = z.object({
  rule: z.string(),
  summary: z.string(),
  firedAt: z.number().exactOptional(),
  resolvedAt: z.number().exactOptional(),
});
export type AlertRecord = z.infer<typeof alertSchema>;

export const serviceStateSchema = z.object({
  spec: serviceSpecSchema.exactOptional(),
  /** The version of the mesh stream that adopted `spec`. */
  specVersion: z.number().int(),
  retired: z.boolean(),
  stable: releaseSchema.exactOptional(),
  rollout: rolloutSchema.exactOptional(),
  /** Arrived while traffic was on its way back; starts when it is there. */
  queued: releaseSchema.exactOptional(),
  split: z.array(weightedVersionSchema),
  /** By release key; what was taken back is not tried again unless a person says so. */
  rejected: z.record(z.string(), z.object({ release: releaseSchema, at: z.number(), cause: causeSchema })),
  /** Newest accepted push, by registry repository. */
  newest: z.record(z.string(), placeSchema),
  /** By alert id. */
  alerts: z.record(z.string(), alertSchema),
  /** By data plane, while it has something else than was decided. */
  drift: z.record(z.string(), driftSchema),
});
export type ServiceState = z.infer<typeof serviceStateSchema>;

export const initialServiceState: ServiceState = {
  specVersion: 0,
  retired: false,
  split: [],
  rejected: {},
  newest: {},
  alerts: {},
  drift: {},
};

/** Where the candidate gets its share, the rest is stable's. */
export function splitBetween(stable: Release, candidate: Release, weight: number): ServiceState['split'] {
  const split = [
    { version: stable.version, weight: 100 - weight },
    { version: candidate.version, weight },
  ];
  return split.sort((a, b) => (a.version < b.version ? -1 : 1));
}

export const weightOf = (state: ServiceState, version: string): number =>
  state.split.find((share) => share.version === version)?.weight ?? 0;

export const rejectionOf = (state: ServiceState, release: Release): ServiceState['rejected'][string] | undefined =>
  Object.values(state.rejected).find((rejection) => sameRelease(rejection.release, release));
