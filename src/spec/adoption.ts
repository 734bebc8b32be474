/**
 * The stream of a mesh: which spec revision is adopted. A spec is adopted whole by one event that names the content hash
 * of every service; bringing the services' own streams up to it is the effect. Alerts and events that fit no service, and
 * endpoints that are silent and kept all the same, are noted here too, because nobody else would be told of them.
 */
import { z } from 'zod';
import { type Decision, type Effect, type EventContext, unchanged } from '../decision.ts';
import { type MeshSpec, meshSpecSchema } from './schema.ts';

/** Where a mesh names no trust domain. */
export const DEFAULT_TRUST_DOMAIN = 'cluster.local';

const meshStateSchema = z.object({
  revision: z.string().exactOptional(),
  /** The version of this stream that adopted it: services compare it, newer wins. */
  specVersion: z.number().int(),
  spec: meshSpecSchema.exactOptional(),
  /** Content hash of each service's spec, by name. */
  services: z.record(z.string(), z.string()),
});
export type MeshState = z.infer<typeof meshStateSchema>;

const meshEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('SpecAdopted'), revision: z.string(), spec: meshSpecSchema, services: z.record(z.string(), z.string()) }),
  z.object({ type: z.literal('SignalUnmatched'), what: z.string(), summary: z.string() }),
  z.object({ type: z.literal('SilentEndpointsKept'), dataPlane: z.string(), service: z.string(), text: z.string() }),
]);
export type MeshEvent = z.infer<typeof meshEventSchema>;

/** What people are told of a mesh. The words are made in `src/notifications`. */
export type MeshCardTopic = 'unmatched' | 'silent-endpoints';

export type MeshCommand =
  | { readonly type: 'Adopt'; readonly revision: string; readonly spec: MeshSpec; readonly services: Readonly<Record<string, string>> }
  /** Something arrived that speaks for no service. */
  | { readonly type: 'NoteUnmatched'; readonly what: string; readonly summary: string }
  /** A data plane keeps endpoints in service though their leases ran out. */
  | { readonly type: 'NoteSilentEndpoints'; readonly dataPlane: string; readonly service: string; readonly text: string };

export function decideMesh(state: MeshState, command: MeshCommand): Decision<MeshEvent> {
  if (command.type === 'NoteUnmatched') {
    const { what, summary } = command;
    const topic: MeshCardTopic = 'unmatched';
    const card: Effect = { kind: 'card', data: { topic, what, text: summary } };
    return { kind: 'accepted', events: [{ type: 'SignalUnmatched', what, summary }], effects: [card], message: `${what} fits no service.` };
  }
  if (command.type === 'NoteSilentEndpoints') {
    const { dataPlane, service, text } = command;
    const topic: MeshCardTopic = 'silent-endpoints';
    const card: Effect = { kind: 'card', data: { topic, what: `${service} on ${dataPlane}`, text } };
    return { kind: 'accepted', events: [{ type: 'SilentEndpointsKept', dataPlane, service, text }], effects: [card], message: text };
  }
  const { revision, spec, services } = command;
  if (state.revision === revision) return unchanged('SameRevision', 'This spec is adopted already; nothing changes.');
  const meshChanged = JSON.stringify(state.spec?.dataPlanes) !== JSON.stringify(spec.dataPlanes);
  const names = [...new Set([...Object.keys(state.services), ...Object.keys(services)])].sort();
  const changed = names.filter((name) => meshChanged || state.services[name] !== services[name]);
  const effects = changed.map((target): Effect => ({ kind: 'specify', target }));
  if (saysOfTrust(state.spec) !== saysOfTrust(spec)) effects.push({ kind: 'govern', target: 'trust' });
  const event: MeshEvent = { type: 'SpecAdopted', revision, spec, services: { ...services } };
  return { kind: 'accepted', events: [event], effects, message: adoptionMessage(state, services, changed) };
}

/** What a mesh's trust follows from. */
function saysOfTrust(spec: MeshSpec | undefined): string | undefined {
  return spec?.certificates && JSON.stringify([spec.certificates, spec.trustDomain, spec.dataPlanes.map(({ name }) => name).sort()]);
}

function adoptionMessage(state: MeshState, services: Readonly<Record<string, string>>, changed: readonly string[]): string {
  const added = changed.filter((name) => !(name in state.services));
  const removed = changed.filter((name) => !(name in services));
  const updated = changed.length - added.length - removed.length;
  return `The spec is adopted: ${added.length} added, ${updated} changed, ${removed.length} removed.`;
}

function evolveMesh(state: MeshState, event: MeshEvent, context: EventContext): MeshState {
  if (event.type !== 'SpecAdopted') return state;
  return { revision: event.revision, specVersion: context.version, spec: event.spec, services: event.services };
}

const initialMeshState: MeshState = { specVersion: 0, services: {} };

/** The stream as the journal keeps it. */
export const meshStream = {
  schema: 1,
  initial: initialMeshState,
  evolve: evolveMesh,
  parseState: (stored: unknown): MeshState => meshStateSchema.parse(stored),
  parseEvent: (stored: unknown): MeshEvent => meshEventSchema.parse(stored),
  wakeAt: (): undefined => undefined,
};

export const meshStreamId = (mesh: string): string => `mesh/${mesh}`;
