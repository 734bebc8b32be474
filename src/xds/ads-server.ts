/**
 * The gRPC server that real Envoys connect to: AggregatedDiscoveryService/StreamAggregatedResources, state of the world.
 * It carries bytes between streams and their state machines and says what happened; whose snapshot a node gets and what
 * follows from a fact is the caller's. Nothing queues up for a slow node: one response a type is unanswered at a time.
 */
import type { ServerCredentials } from '@grpc/grpc-js';
import { parseNode } from '../dataplanes/envoy/node-metadata.ts';
import { type EnvoyNode, ownPartOf } from '../dataplanes/envoy/resources.ts';
import { type GrpcHandler, type GrpcMethod, type GrpcStream, grpcStatus, startGrpcServer } from './grpc-server.ts';
import { createContentFor } from './node-content.ts';
import { type DiscoveryRequest, decodeNode, decodeRequest, type EncodeResource, encodeResponse, resourceTypeOf } from './protobuf.ts';
import type { Snapshot } from './snapshot.ts';
import { type AdsStream, createAdsStream, type NodeMemory, type Step, type StreamFact, type StreamResponse } from './stream-state.ts';
import type { SetOfNames } from './type-state.ts';

export type NodeEvent =
  | StreamFact
  /** It is being sent this set of secrets. */
  | { readonly fact: 'offered'; readonly fingerprint: string }
  | { readonly fact: 'connected' }
  /** The last of the node's streams has ended. */
  | { readonly fact: 'disconnected' };

export interface AdsServerOptions {
  /** Port 0 takes a free one. */
  readonly address: { readonly host: string; readonly port: number };
  /** absent: plaintext. */
  readonly credentials?: ServerCredentials;
  readonly encode: EncodeResource;
  /** Called for each stream at its start and at each `publish`; give the same object to nodes that are served the same. undefined: nothing yet. */
  readonly snapshotFor: (node: EnvoyNode) => Snapshot | undefined;
  readonly onNode: (node: EnvoyNode, event: NodeEvent) => void;
  /** Whether a stream with this `authorization` header may be served; without it, every stream may. */
  readonly authorize?: (authorization: string | undefined) => boolean;
  /** Served at the same port. */
  readonly beside?: readonly GrpcMethod[];
}

export interface NodeReport {
  readonly node: EnvoyNode;
  readonly connected: boolean;
  /** The last sequence of which the node has accepted everything but what it refuses; 0 = none yet. */
  readonly served: number;
  /** The virtual hosts it goes without, for it refuses them or what they lead to. */
  readonly without: readonly string[];
  /** The last rejection, until it serves everything. */
  readonly rejection?: Extract<StreamFact, { readonly fact: 'rejected' }>;
}

export interface AdsServer {
  readonly port: number;
  /** Brings every connected node to the snapshot that is now its own. */
  publish(): void;
  /** Of connected nodes, and of those that were here in the last quarter of an hour. */
  nodes(): readonly NodeReport[];
  /** Ends all streams and frees the port. */
  stop(): Promise<void>;
}

/** How long what a node holds is remembered after its stream has ended; an Envoy reconnects within seconds. */
const rememberedForMs = 15 * 60_000;
/** Encoded responses, and sets of names, kept for other nodes: the four types of a few configurations. */
const keptForOthers = 32;

/** So many nodes are served in one turn of the event loop: the first ones have it while the next are served, and what is left over dies young. */
const atOnce = 64;

const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';
/** A request holds a node and names: far below this, but for thousands of clusters. */
const maxRequestBytes = 4 * 1024 * 1024;

/** A node of one data plane, and what outlives its streams. */
interface Presence {
  /** As it came last; all streams that are open at one time have the same listeners. */
  node: EnvoyNode;
  streams: number;
  served: number;
  without: readonly string[];
  rejection?: Extract<StreamFact, { readonly fact: 'rejected' }>;
  memory?: NodeMemory;
  leftAt: number;
}

interface Member {
  readonly call: GrpcStream;
  readonly node: EnvoyNode;
  readonly presence: Presence;
  readonly stream: AdsStream;
}

/** Rejects if the address cannot be bound. */
export async function startAdsServer(options: AdsServerOptions): Promise<AdsServer> {
  const { snapshotFor, onNode } = options;
  const contentFor = createContentFor(options.encode);
  const encoded = createResponseCache();
  const setOf = createSharedSets();
  const presences = new Map<string, Presence>();
  const members = new Set<Member>();
  /** Those that have not been brought to the last published snapshots yet. */
  const behind = new Set<Member>();

  function carryOut({ call, node, presence }: Member, { responses, facts }: Step): void {
    for (const response of responses) {
      call.send(encoded(response));
      if (response.type === 'secret') onNode(node, { fact: 'offered', fingerprint: response.set.fingerprint });
    }
    for (const fact of facts) {
      if (fact.fact === 'served') {
        presence.served = Math.max(presence.served, fact.sequence);
        presence.without = fact.without;
        if (fact.without.length === 0) delete presence.rejection;
      } else if (fact.fact === 'rejected') {
        presence.rejection = fact;
      }
      onNode(node, fact);
    }
  }

  function bringUpToDate(member: Member): void {
    const snapshot = snapshotFor(member.node);
    if (snapshot) carryOut(member, member.stream.update(snapshot));
  }

  function bringNextUpToDate(): void {
    let taken = 0;
    for (const member of behind) {
      behind.delete(member);
      bringUpToDate(member);
      taken += 1;
      if (taken === atOnce) break;
    }
    if (behind.size > 0) setImmediate(bringNextUpToDate);
  }

  /** undefined: another Envoy is here under that name. */
  function join(call: GrpcStream, node: EnvoyNode): Member | undefined {
    // Ids are given by hand: two meshes, and two data planes of one, may well use the same.
    const key = JSON.stringify([node.mesh, node.dataPlane, node.id]);
    const presence: Presence = presences.get(key) ?? { node, streams: 0, served: 0, without: [], leftAt: 0 };
    if (presence.streams > 0 && ownPartOf(presence.node) !== ownPartOf(node)) return undefined;
    presences.set(key, presence);
    presence.node = node;
    presence.streams += 1;
    const member = { call, node, presence, stream: createAdsStream(contentFor, setOf, presence.memory) };
    members.add(member);
    if (presence.streams === 1) onNode(node, { fact: 'connected' });
    bringUpToDate(member);
    return member;
  }

  function leave(member: Member): void {
    if (!members.delete(member)) return;
    behind.delete(member);
    const { node, presence, stream } = member;
    presence.memory = stream.remember();
    presence.streams -= 1;
    presence.leftAt = performance.now();
    if (presence.streams === 0) onNode(node, { fact: 'disconnected' });
    for (const [key, { streams, leftAt }] of presences) {
      if (streams === 0 && performance.now() - leftAt > rememberedForMs) presences.delete(key);
    }
  }

  function open(call: GrpcStream, authorization: string | undefined): GrpcHandler | undefined {
    if (options.authorize && !options.authorize(authorization)) {
      call.end(grpcStatus.unauthenticated, 'Send the token of this mesh\'s nodes as "authorization: Bearer <token>".');
      return undefined;
    }
    let member: Member | undefined;
    return {
      message(bytes) {
        const read = readRequest(bytes);
        if (!read.ok) return call.end(grpcStatus.invalidArgument, read.message);
        if (!member) {
          const asking = whoAsks(read.request);
          if (!asking.ok) return call.end(grpcStatus.invalidArgument, asking.message);
          member = join(call, asking.node);
          if (!member) return call.end(grpcStatus.alreadyExists, alreadyHere(asking.node));
        }
        const type = resourceTypeOf(read.request.typeUrl);
        if (type) carryOut(member, member.stream.receive({ ...read.request, type }));
      },
      closed() {
        if (member) leave(member);
      },
    };
  }

  const { address, credentials, beside = [] } = options;
  const server = await startGrpcServer({
    address,
    ...(credentials ? { credentials } : {}),
    methods: [{ path, open }, ...beside],
    maxMessageBytes: maxRequestBytes,
  });

  return {
    port: server.port,
    publish() {
      const resting = behind.size === 0;
      for (const member of members) behind.add(member);
      if (resting) bringNextUpToDate();
    },
    nodes: () => [...presences.values()].map(reportOf),
    stop: () => server.stop(),
  };
}

function readRequest(
  bytes: Uint8Array,
): { readonly ok: true; readonly request: DiscoveryRequest } | { readonly ok: false; readonly message: string } {
  try {
    return { ok: true, request: decodeRequest(bytes) };
  } catch (error) {
    return { ok: false, message: `This is no DiscoveryRequest: ${error instanceof Error ? error.message : String(error)}.` };
  }
}

/** A stream's first request says which node it is; later ones need not. */
function whoAsks(request: DiscoveryRequest): ReturnType<typeof parseNode> | { readonly ok: false; readonly message: string } {
  if (!request.node)
    return {
      ok: false,
      message: 'The first request of a stream must carry the node; give the Envoy a node id and metadata in its bootstrap.',
    };
  try {
    return parseNode(decodeNode(request.node));
  } catch (error) {
    return { ok: false, message: `The node is no envoy.config.core.v3.Node: ${error instanceof Error ? error.message : String(error)}.` };
  }
}

function alreadyHere({ id, mesh, dataPlane }: EnvoyNode): string {
  return `Another Envoy with other listeners or another identity is connected as ${id} in ${mesh}/${dataPlane}; give each Envoy an id of its own, or wait until the other has gone.`;
}

function reportOf({ node, streams, served, without, rejection }: Presence): NodeReport {
  return { node, connected: streams > 0, served, without, ...(rejection === undefined ? {} : { rejection }) };
}

/** A nonce names sequence and content, so it names the bytes. */
function createResponseCache(): (response: StreamResponse) => Buffer {
  const kept = new Map<string, Buffer>();
  return ({ type, version, nonce, set }) => {
    const key = `${type} ${nonce}`;
    const known = kept.get(key);
    if (known) return known;
    const resources = [...set.resources.values()].map((resource) => resource.bytes);
    const bytes = Buffer.from(encodeResponse({ type, version, nonce, resources }));
    keep(kept, key, bytes);
    return bytes;
  };
}

/** A thousand nodes ask for the same hundred names. */
function createSharedSets(): SetOfNames {
  const kept = new Map<string, ReadonlySet<string>>();
  return (names) => {
    const key = names.join('\n');
    const set = kept.get(key) ?? new Set(names);
    keep(kept, key, set);
    return set;
  };
}

function keep<T>(kept: Map<string, T>, key: string, value: T): void {
  const [oldest] = kept.keys();
  if (kept.size >= keptForOthers && oldest !== undefined && !kept.has(key)) kept.delete(oldest);
  kept.set(key, value);
}
