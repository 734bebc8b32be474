/**
 * What an Envoy sends of the requests that a service in `shadow` would have refused: who called, and nothing else of an entry. Paths,
 * headers and addresses of people are in these bytes too, and are passed over. Follows envoy/service/accesslog/v3/als.proto
 * (StreamAccessLogsMessage) and envoy/data/accesslog/v3/accesslog.proto (HTTPAccessLogEntry).
 */
import { BlockList, isIPv4 } from 'node:net';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

export interface RefusalEntries {
  /** With the first message of a stream only: the encoded node, and what its entries are. */
  readonly identifier?: { readonly node: Uint8Array; readonly logName: string };
  readonly refusals: Refusals;
}

export interface Refusals {
  readonly requests: number;
  /** How many of them of each caller; the rest is of others. */
  readonly callers: ReadonlyMap<string, number>;
}

/** Told apart in one message. */
export const MOST_CALLERS = 50;

/** A chain of field numbers from a message to what is looked for in it. */
type Path = readonly [number, ...number[]];
const IDENTIFIER: Path = [1];
const NODE: Path = [1];
const LOG_NAME: Path = [2];
/** `http_logs`, `log_entry`, `common_properties`. */
const ENTRY: Path = [2, 1, 1];
const TLS: Path = [4];
/** Of TLS: `peer_certificate_properties`, `subject_alt_name`, `uri`. */
const PEER_URI: Path = [5, 1, 1];
/** `downstream_direct_remote_address`, `socket_address`, `address`: the physical peer, whatever a header says. */
const PEER_ADDRESS: Path = [20, 1, 2];

const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]+(\/[A-Za-z0-9._-]+)+$/;
const LONGEST_IDENTITY = 256;
const NO_SPIFFE_ID = 'an identity that is no SPIFFE id';

/** Throws if the bytes are no protobuf message. */
export function decodeRefusals(bytes: Uint8Array): RefusalEntries {
  const [identifier] = partsAt(bytes, IDENTIFIER);
  const callers = new Map<string, number>();
  let requests = 0;
  for (const entry of partsAt(bytes, ENTRY)) {
    const caller = callerOf(entry);
    const known = callers.get(caller);
    if (known !== undefined || callers.size < MOST_CALLERS) callers.set(caller, (known ?? 0) + 1);
    requests += 1;
  }
  return { refusals: { requests, callers }, ...(identifier === undefined ? {} : { identifier: identified(identifier) }) };
}

function identified(bytes: Uint8Array): { readonly node: Uint8Array; readonly logName: string } {
  const [node = new Uint8Array()] = partsAt(bytes, NODE);
  const [logName] = partsAt(bytes, LOG_NAME);
  return { node, logName: text(logName) };
}

/** An address says which machine a caller without an identity is on; one that may be a person's is not kept. */
function callerOf(entry: Uint8Array): string {
  const [tls] = partsAt(entry, TLS);
  const uris = tls === undefined ? [] : [...partsAt(tls, PEER_URI)].map(text);
  const identity = uris.find((uri) => uri.length <= LONGEST_IDENTITY && SPIFFE_ID.test(uri));
  if (identity !== undefined) return identity;
  if (tls !== undefined) return NO_SPIFFE_ID;
  const [address] = partsAt(entry, PEER_ADDRESS);
  const from = text(address);
  return isOwn(from) ? `no identity, from ${from}` : 'no identity';
}

const own = new BlockList();
for (const [net, prefix] of [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  own.addSubnet(net, prefix, 'ipv4');
own.addAddress('::1', 'ipv6');
own.addSubnet('fc00::', 7, 'ipv6');
own.addSubnet('fe80::', 10, 'ipv6');

/** Of a machine in a network of one's own, and not from the Internet. */
const isOwn = (address: string): boolean => own.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

function* partsAt(bytes: Uint8Array, [field, ...rest]: Path): Generator<Uint8Array> {
  const [next, ...further] = rest;
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [found, wireType] = reader.tag();
    if (found !== field || wireType !== WireType.LengthDelimited) reader.skip(wireType, found);
    else if (next === undefined) yield reader.bytes();
    else yield* partsAt(reader.bytes(), [next, ...further]);
  }
}
