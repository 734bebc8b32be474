/**
 * What services in `shadow` would have refused, as their Envoys report it: Envoy's access log service, over the same port as ADS. Counts
 * are written to the store together, every few seconds at most and only where something has changed. When this server is away Envoy drops
 * what it would have said, and no request waits for it.
 */
import { createHmac } from 'node:crypto';
import { WOULD_BE_REFUSED } from '../dataplanes/envoy/access-log.ts';
import { parseNode } from '../dataplanes/envoy/node-metadata.ts';
import type { EnvoyNode } from '../dataplanes/envoy/resources.ts';
import type { Documents } from '../journal/documents.ts';
import { type Place, putRefusals } from '../reconcile/observations.ts';
import { type GrpcHandler, type GrpcMethod, type GrpcStream, grpcStatus } from './grpc-server.ts';
import { decodeNode } from './protobuf.ts';
import { RefusalCounts } from './refusal-counts.ts';
import { decodeRefusals, type RefusalEntries, type Refusals } from './refusal-entries.ts';

const PATH = '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs';
export const REFUSALS_MS = 3_000;
const MOST_WAITING = 1_000;

/**
 * What Envoys report with. It comes to them in a listener, which they quote when they do not like it: so it is not the nodes' token, but
 * made of it, and good for nothing else.
 */
export const refusalsTokenOf = (nodeToken: string): string => createHmac('sha256', nodeToken).update(WOULD_BE_REFUSED).digest('hex');

export interface RefusalsOptions {
  readonly documents: Documents;
  readonly via: string;
  readonly now: () => number;
  readonly report: (problem: string, error: unknown) => void;
  /** Whether a stream with this `authorization` header may report. */
  readonly authorize: (authorization: string | undefined) => boolean;
  /** The service in `shadow` before whose workload the node stands; rejects where the model cannot be read. */
  readonly serviceOf: (node: EnvoyNode) => Promise<string | undefined>;
  /** Whether the service is in `shadow`, as far as is known. */
  readonly isInShadow: (place: Place, service: string) => boolean;
}

export interface HeardRefusals {
  readonly method: GrpcMethod;
  /** Writes what has changed. Never rejects: what cannot be written is tried again with the next. */
  flush(): Promise<void>;
  tellAgain(): void;
}

interface Kept {
  readonly place: Place;
  readonly counts: RefusalCounts;
}

export function hearRefusals({ documents, via, now, report, authorize, serviceOf, isInShadow }: RefusalsOptions): HeardRefusals {
  const places = new Map<string, Kept>();
  let waiting = 0;
  let flushing: Promise<void> = Promise.resolve();

  async function count(node: EnvoyNode, refusals: Refusals): Promise<void> {
    const service = await serviceOf(node);
    if (service === undefined) return;
    const { mesh, dataPlane } = node;
    const key = JSON.stringify([mesh, dataPlane]);
    const kept = places.get(key) ?? { place: { mesh, dataPlane }, counts: new RefusalCounts() };
    places.set(key, kept);
    kept.counts.take(service, node.id, refusals, now());
  }

  /** Only where the model is not read yet anything waits; if it cannot be, what an Envoy says is not kept for ever. */
  function countSoon(node: EnvoyNode, refusals: Refusals): void {
    const lost = (because: unknown) => report(`What ${node.id} would have refused could not be counted.`, because);
    if (waiting === MOST_WAITING) {
      lost('too much is waiting for the model');
      return;
    }
    waiting += 1;
    count(node, refusals)
      .catch(lost)
      .finally(() => {
        waiting -= 1;
      });
  }

  function open(stream: GrpcStream, authorization: string | undefined): GrpcHandler | undefined {
    if (!authorize(authorization)) {
      stream.end(grpcStatus.unauthenticated, 'Send the token that came with the listener as "authorization: Bearer <token>".');
      return undefined;
    }
    let node: EnvoyNode | undefined;
    return {
      message(bytes) {
        const read = readRefusals(bytes);
        if (!read.ok) return stream.end(grpcStatus.invalidArgument, read.message);
        const { identifier, refusals } = read.entries;
        if (!node) {
          const reporting = whoReports(identifier);
          if (!reporting.ok) return stream.end(grpcStatus.invalidArgument, reporting.message);
          node = reporting.node;
        }
        countSoon(node, refusals);
      },
      closed() {},
    };
  }

  async function write({ place, counts }: Kept): Promise<void> {
    counts.forgetBut((service) => isInShadow(place, service));
    const counted = counts.unwritten();
    if (counted.length === 0) return;
    try {
      const observed = counted.map((each) => ({ ...each, via }));
      await putRefusals(documents, place, observed, now());
      counts.written(counted);
    } catch (error) {
      report(`What Envoys of ${place.mesh}/${place.dataPlane} would have refused could not be written; it is tried again.`, error);
    }
  }

  return {
    method: { path: PATH, open },
    flush() {
      flushing = flushing.then(async () => void (await Promise.all([...places.values()].map(write))));
      return flushing;
    },
    tellAgain() {
      for (const { counts } of places.values()) counts.tellAgain();
    },
  };
}

function readRefusals(
  bytes: Uint8Array,
): { readonly ok: true; readonly entries: RefusalEntries } | { readonly ok: false; message: string } {
  try {
    return { ok: true, entries: decodeRefusals(bytes) };
  } catch (error) {
    return { ok: false, message: `This is no StreamAccessLogsMessage: ${error instanceof Error ? error.message : String(error)}.` };
  }
}

/** A stream's first message says which node it is; later ones need not. */
function whoReports(
  identifier: RefusalEntries['identifier'],
): ReturnType<typeof parseNode> | { readonly ok: false; readonly message: string } {
  if (identifier?.logName !== WOULD_BE_REFUSED)
    return { ok: false, message: `The first message of a stream must name its node, and its log as ${WOULD_BE_REFUSED}.` };
  try {
    return parseNode(decodeNode(identifier.node));
  } catch (error) {
    return { ok: false, message: `The node is no envoy.config.core.v3.Node: ${error instanceof Error ? error.message : String(error)}.` };
  }
}
