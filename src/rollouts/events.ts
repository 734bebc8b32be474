/** What happened to a service: the facts its stream records. Parsed on every read; old words are brought up to date here. */
import { z } from 'zod';
import { serviceSpecSchema } from '../spec/schema.ts';
import { differenceSchema } from './difference.ts';
import { alertSchema, causeSchema, placeSchema, releaseSchema, rolloutSchema } from './state.ts';

const plan = rolloutSchema.pick({ steps: true, pauseDeadlineMs: true, startDeadlineMs: true, returnDeadlineMs: true });

export const serviceEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ServiceSpecified'), spec: serviceSpecSchema, specVersion: z.number().int() }),
  z.object({ type: z.literal('ServiceRetired'), specVersion: z.number().int() }),
  /** The first version, or the one the spec begins with: it gets everything, there is nothing to compare it with. */
  z.object({ type: z.literal('StableEstablished'), release: releaseSchema, place: placeSchema.exactOptional() }),
  z.object({ type: z.literal('DeploymentQueued'), release: releaseSchema, place: placeSchema.exactOptional() }),
  z.object({ type: z.literal('QueueCleared') }),
  z.object({ type: z.literal('RejectionLifted'), keys: z.array(z.string()) }),
  z.object({ type: z.literal('RolloutSuperseded'), by: releaseSchema }),
  z.object({ type: z.literal('RolloutStarted'), release: releaseSchema, place: placeSchema.exactOptional(), plan }),
  z.object({ type: z.literal('StartDelayed'), because: z.enum(['AlertFiring', 'NotReady', 'TrustChanging']), deadline: z.number() }),
  z.object({ type: z.literal('StepBegun'), step: z.number().int(), weight: z.number().int(), deadline: z.number(), promoted: z.boolean() }),
  /** `unobserved`: it counts though nobody saw it, because of this. */
  z.object({ type: z.literal('StepServedBy'), dataPlane: z.string(), unobserved: z.string().exactOptional() }),
  z.object({ type: z.literal('StepHeld'), step: z.number().int(), until: z.number(), deadline: z.number() }),
  /** `advised`: it is only advice. */
  z.object({ type: z.literal('AdvanceHeldBack'), reason: z.string(), advised: z.boolean().exactOptional() }),
  z.object({ type: z.literal('PlanRejected'), dataPlane: z.string(), message: z.string() }),
  z.object({ type: z.literal('RolloutPaused'), deadline: z.number(), reason: z.string().exactOptional() }),
  z.object({ type: z.literal('RolloutResumed'), deadline: z.number() }),
  z.object({ type: z.literal('RolloutSucceeded') }),
  /** Ended before the candidate received traffic. */
  z.object({ type: z.literal('RolloutAbandoned'), cause: causeSchema }),
  z.object({ type: z.literal('ReturnBlocked'), cause: causeSchema, deadline: z.number() }),
  z.object({ type: z.literal('TrafficReturned'), cause: causeSchema, deadline: z.number() }),
  z.object({ type: z.literal('ReturnServedBy'), dataPlane: z.string(), unobserved: z.string().exactOptional() }),
  z.object({ type: z.literal('ReturnOverdue'), deadline: z.number() }),
  /** `unseen`: a person ended it although these data planes were not seen to serve stable alone. */
  z.object({ type: z.literal('RolledBack'), unseen: z.array(z.string()).exactOptional(), reason: z.string().exactOptional() }),
  /** Fired, resolved or both: the record as it stands now. */
  z.object({ type: z.literal('AlertNoted'), id: z.string(), alert: alertSchema }),
  /** It appeared, or became another; `more`: how many differences there are beside these. */
  z.object({ type: z.literal('DriftFound'), dataPlane: z.string(), differences: z.array(differenceSchema), more: z.number().int() }),
  z.object({ type: z.literal('DriftGone'), dataPlane: z.string() }),
  /** The first that was to be brought to a data plane waits until this version has a ready endpoint there. */
  z.object({ type: z.literal('FirstKeptBack'), dataPlane: z.string(), version: z.string() }),
  /** A push that changes nothing but its place in its repository's order. */
  z.object({ type: z.literal('PushNoted'), place: placeSchema }),
]);
export type ServiceEvent = z.infer<typeof serviceEventSchema>;
