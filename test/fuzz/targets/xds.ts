/** What Envoys and agents send: discovery requests, nodes and access logs as protobuf, nodes and leases as JSON; and whole streams of requests. */
import fc from 'fast-check';
import { z } from 'zod';
import { nodeMessage, parseNode } from '../../../src/dataplanes/envoy/node-metadata.ts';
import type { Json } from '../../../src/journal/documents.ts';
import { createContentFor } from '../../../src/xds/node-content.ts';
import { decodeNode, decodeRequest, resourceTypes, typeUrl } from '../../../src/xds/protobuf.ts';
import { decodeRefusals } from '../../../src/xds/refusal-entries.ts';
import { restoreRegistry, updateRegistry } from '../../../src/xds/registry.ts';
import { createAdsStream } from '../../../src/xds/stream-state.ts';
import { entries, identifying, inPlaintext, message, overMtls, structOf } from '../../xds/access-log-stream.ts';
import { encode, setOf, snapshotOf } from '../../xds/modelled-mesh.ts';
import { byteInputs, jsonInputs } from '../inputs.ts';
import { type Target, target } from '../target.ts';

const MIB = 1024 * 1024;
const NODE = { id: 'edge-1', mesh: 'shop', dataPlane: 'edge', outbound: { address: '127.0.0.1', port: 15_001 } };
const nodeJson: Json = JSON.parse(JSON.stringify(nodeMessage(NODE)));
const nodeBytes = message([1, 'edge-1'], [3, structOf({ meshwright: { mesh: 'shop', data_plane: 'edge' } })]);
const request = message(
  [1, '5'],
  [2, nodeBytes],
  [3, 'catalog.v1'],
  [4, typeUrl('cluster')],
  [5, 'n1'],
  [6, message([2, 'no such thing'])],
);

/** Bytes that are no such message are refused by who serves the stream, with what the decoder says. */
function decoded<Value>(decode: () => Value): Value | undefined {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof Error) || error.message === '') throw error;
    return undefined;
  }
}

const discovery = target<Uint8Array>(
  {
    name: 'discovery-request',
    share: 8_000,
    inputs: byteInputs([request, nodeBytes, message([2, nodeBytes])]),
    large: [
      { what: '4 MiB of empty names', input: () => new Uint8Array(4 * MIB).map((_, at) => (at % 2 === 0 ? 0x1a : 0)) },
      { what: '4 MiB of groups that open', input: () => new Uint8Array(4 * MIB).fill(0x0b) },
    ],
  },
  (bytes) => {
    const read = decoded(() => decodeRequest(bytes));
    const node = decoded(() => decodeNode(read?.node ?? bytes));
    return node && parseNode(node);
  },
);

const node = target<Json>({ name: 'node', share: 4_000, inputs: jsonInputs([nodeJson]) }, parseNode);

const accessLog = target<Uint8Array>(
  {
    name: 'access-log',
    share: 6_000,
    inputs: byteInputs([
      entries(overMtls('spiffe://shop.example/ns/shop/sa/web'), inPlaintext('10.0.0.7')),
      identifying(nodeBytes, 'meshwright', inPlaintext('10.0.0.7')),
    ]),
    large: [
      { what: '4 MiB of entries', input: () => entries(...Array.from({ length: 60_000 }, (_, at) => inPlaintext(`10.0.${at % 250}.7`))) },
    ],
  },
  (bytes) => decoded(() => decodeRefusals(bytes)),
);

const registry = target<Json>(
  {
    name: 'registry',
    share: 2_000,
    inputs: jsonInputs([
      {
        leases: [
          {
            endpoint: { service: 'catalog', version: 'v1', address: '10.0.0.1', port: 8080 },
            leaseMs: 10_000,
            expiresAt: 5,
            ready: true,
            state: 'live',
          },
        ],
        seen: [{ service: 'catalog', version: 'v1' }],
        held: [],
      },
    ]),
    throws: [z.ZodError],
  },
  (stored) => void updateRegistry(restoreRegistry(stored, 0), { kind: 'expire' }, 60_000),
);

const snapshot = snapshotOf(5, {
  inbound: false,
  services: { a: { weights: { v1: 90, v2: 10 }, badVersions: [], badRoutes: false, revisions: [0, 0, 0] } },
});
const asked = fc.record(
  {
    type: fc.constantFrom(...resourceTypes),
    version: fc.oneof(fc.constantFrom('', '5', '-1', '99999999999999999999'), fc.string()),
    nonce: fc.oneof(fc.constantFrom('', 'last'), fc.string()),
    names: fc.array(fc.oneof(fc.constantFrom('a.v1', 'a.v2', 'out', '*', '__proto__', ''), fc.string()), { maxLength: 5 }),
    rejection: fc.string(),
  },
  { requiredKeys: ['type', 'version', 'nonce', 'names'] },
);

/** As an Envoy that answers, and as none would. */
const stream = target<readonly z.infer<typeof requestShape>[]>(
  { name: 'ads-stream', share: 4_000, inputs: fc.array(asked, { maxLength: 10 }) },
  (requests) => {
    const one = createAdsStream(createContentFor(encode), setOf);
    one.update(snapshot);
    let last = '';
    for (const each of requests) {
      const { responses } = one.receive({ ...each, nonce: each.nonce === 'last' ? last : each.nonce });
      last = responses.at(-1)?.nonce ?? last;
    }
  },
);
const requestShape = z.object({
  type: z.enum(resourceTypes),
  version: z.string(),
  nonce: z.string(),
  names: z.array(z.string()),
  rejection: z.string().exactOptional(),
});

export const xdsTargets: readonly Target[] = [discovery, node, accessLog, registry, stream];
