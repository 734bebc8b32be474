/**
 * What an Envoy says of itself: `EnvoyNode` to and from the `node` of a bootstrap (and so of every discovery request), under
 * the metadata key `meshwright`, in snake_case as everything else in an Envoy configuration.
 */
import { z } from 'zod';
import type { JsonObject } from '../../journal/documents.ts';
import type { EnvoyNode } from './resources.ts';

const METADATA_KEY = 'meshwright';

const name = z.string().min(1).max(253);
// Envoy binds addresses and doesn't resolve names in a listener.
const address = z.union([z.ipv4(), z.ipv6()], { error: 'use an IP address' });
const port = z.int().min(1).max(65_535);

/** Posix, or Windows with a drive; without a slash at its end. */
const absolutePath = z
  .string()
  .max(1024)
  .regex(/^(\/|[A-Za-z]:\/).*[^/]$/, { error: 'use an absolute path without a slash at its end' });

const nodeSchema = z.object({
  id: name,
  metadata: z.object({
    [METADATA_KEY]: z.object({
      mesh: name,
      data_plane: name,
      outbound: z.object({ address, port }).exactOptional(),
      inbound: z.object({ service: name, version: name, address, port, workload_port: port }).exactOptional(),
      gateway: z.object({ name, namespace: name, address, port }).exactOptional(),
      identity: z.object({ directory: absolutePath }).exactOptional(),
      authorities: absolutePath.exactOptional(),
    }),
  }),
});

export type ParsedNode =
  | { readonly ok: true; readonly node: EnvoyNode }
  | { readonly ok: false; readonly reason: 'NodeNotUnderstood'; readonly message: string };

/** The `node` member of a bootstrap: id, cluster and metadata. */
export function nodeMessage(node: EnvoyNode): JsonObject {
  const { outbound, inbound, gateway, identity, authorities } = node;
  return {
    id: node.id,
    cluster: node.dataPlane,
    metadata: {
      [METADATA_KEY]: {
        mesh: node.mesh,
        data_plane: node.dataPlane,
        ...(outbound === undefined ? {} : { outbound: { address: outbound.address, port: outbound.port } }),
        ...(inbound === undefined
          ? {}
          : {
              inbound: {
                service: inbound.service,
                version: inbound.version,
                address: inbound.address,
                port: inbound.port,
                workload_port: inbound.workloadPort,
              },
            }),
        ...(gateway === undefined
          ? {}
          : { gateway: { name: gateway.name, namespace: gateway.namespace, address: gateway.address, port: gateway.port } }),
        ...(identity === undefined ? {} : { identity: { directory: identity.directory } }),
        ...(authorities === undefined ? {} : { authorities }),
      },
    },
  };
}

/** `node` is `{id, metadata}` as JSON, metadata as a plain object (a `google.protobuf.Struct` already turned into one). */
export function parseNode(node: unknown): ParsedNode {
  const parsed = nodeSchema.safeParse(node);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue === undefined || issue.path.length === 0 ? 'node' : `node.${issue.path.join('.')}`;
    const message = `${where}: ${issue?.message ?? 'not understood'}; write the bootstrap with \`meshwright envoy bootstrap\`.`;
    return { ok: false, reason: 'NodeNotUnderstood', message };
  }
  const { id, metadata } = parsed.data;
  const { mesh, data_plane: dataPlane, outbound, inbound, gateway, identity, authorities } = metadata[METADATA_KEY];
  return {
    ok: true,
    node: {
      id,
      mesh,
      dataPlane,
      ...(outbound === undefined ? {} : { outbound }),
      ...(inbound === undefined ? {} : { inbound: inboundOf(inbound) }),
      ...(gateway === undefined ? {} : { gateway }),
      ...(identity === undefined ? {} : { identity }),
      ...(authorities === undefined ? {} : { authorities }),
    },
  };
}

function inboundOf({ workload_port: workloadPort, ...rest }: z.infer<typeof nodeSchema>['metadata'][typeof METADATA_KEY]['inbound'] & {}) {
  return { ...rest, workloadPort };
}
