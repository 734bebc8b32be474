/**
 * The typed door to Envoy's protobuf definitions: resources (proto JSON) to bytes, discovery requests from bytes,
 * discovery responses to bytes. Follows envoy/service/discovery/v3/discovery.proto; the envelope of a request or response
 * is read and written field by field, since a server meets it a thousand times for each time it meets a new resource.
 */
import {
  createFileRegistry,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  fromJson,
  type JsonObject,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { FileDescriptorSetSchema, StructSchema } from '@bufbuild/protobuf/wkt';
import { type EnvoyResource, type EnvoyResourceType, messageOf } from '../dataplanes/envoy/resources.ts';
import { isList, isObject } from './references.ts';

/**
 * In the order in which changes reach a node: what is named comes before what names it. Secrets come last, for a node hears of
 * one only once it has what names it, and waits for it then.
 */
export const resourceTypes = ['cluster', 'endpoints', 'listener', 'route', 'secret'] as const satisfies readonly EnvoyResourceType[];

export function typeUrl(type: EnvoyResourceType): string {
  return `type.googleapis.com/${messageOf[type]}`;
}

export function resourceTypeOf(url: string): EnvoyResourceType | undefined {
  return resourceTypes.find((type) => typeUrl(type) === url);
}

/** Turns a resource into the bytes of its `google.protobuf.Any`. Throws, naming the field, if the JSON is not of its message. */
export type EncodeResource = (resource: EnvoyResource) => Uint8Array;

/** `descriptorSet` is the binary FileDescriptorSet that `protobuf-build.ts` makes. Takes some 40 ms, so once a process. */
export function loadEncoder(descriptorSet: Uint8Array): EncodeResource {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
  const schemas: Readonly<Record<EnvoyResourceType, DescMessage>> = {
    cluster: schema(registry, messageOf.cluster),
    endpoints: schema(registry, messageOf.endpoints),
    listener: schema(registry, messageOf.listener),
    route: schema(registry, messageOf.route),
    secret: schema(registry, messageOf.secret),
  };
  const message = (type: EnvoyResourceType, json: EnvoyResource['json']): Uint8Array =>
    toBinary(schemas[type], fromJson(schemas[type], plain(json), { registry }));
  const hosts = new WeakMap<EnvoyResource['json'], Uint8Array>();

  /**
   * Messages of one type that follow each other are one message, their lists joined (protobuf's encoding, "Last One Wins"): so a
   * virtual host that is the same object is encoded once, however often its route configuration changes.
   */
  const routes = (json: EnvoyResource['json']): readonly Uint8Array[] => {
    const { virtual_hosts: listed = [], ...frame } = json;
    if (!isList(listed)) return [message('route', json)];
    const parts = listed.map((host) => {
      if (!isObject(host)) return message('route', { virtual_hosts: [host] });
      const bytes = hosts.get(host) ?? message('route', { virtual_hosts: [host] });
      hosts.set(host, bytes);
      return bytes;
    });
    return [message('route', frame), ...parts];
  };

  return ({ type, json }) => {
    const parts = type === 'route' ? routes(json) : [message(type, json)];
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const before = new BinaryWriter().tag(1, WireType.LengthDelimited).string(typeUrl(type)).tag(2, WireType.LengthDelimited);
    return joined([before.uint32(length).finish(), ...parts]);
  };
}

/** Once: a mesh's routes are large, and each further copy would be one for the garbage collector too. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function schema(registry: FileRegistry, name: string): DescMessage {
  const found = registry.getMessage(name);
  if (!found) throw new Error(`The descriptor set lacks ${name}; build it again.`);
  return found;
}

/** A JSON text has no `undefined` and no shared parts; what the renderer hands over may have both. */
function plain(json: EnvoyResource['json']): JsonObject {
  return JSON.parse(JSON.stringify(json));
}

/** What an Envoy asks for, or answers to a response (a `nonce`): acceptance, or rejection with its reason. */
export interface DiscoveryRequest {
  readonly typeUrl: string;
  /** The version of this type that the node last accepted; empty = none. */
  readonly version: string;
  readonly nonce: string;
  readonly names: readonly string[];
  /** Present = the response `nonce` was rejected, and why. */
  readonly rejection?: string;
  /** The encoded node; Envoy may send it with its first request only. */
  readonly node?: Uint8Array;
}

/** Throws if the bytes are no protobuf message. Unknown fields are passed over. */
export function decodeRequest(bytes: Uint8Array): DiscoveryRequest {
  const reader = new BinaryReader(bytes);
  const names: string[] = [];
  let [version, url, nonce] = ['', '', ''];
  let node: Uint8Array | undefined;
  let rejection: string | undefined;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) version = reader.string();
    else if (field === 2) node = reader.bytes();
    else if (field === 3) names.push(reader.string());
    else if (field === 4) url = reader.string();
    else if (field === 5) nonce = reader.string();
    else if (field === 6) rejection = decodeStatusMessage(reader.bytes());
    else reader.skip(wireType);
  }
  return {
    typeUrl: url,
    version,
    nonce,
    names,
    ...(rejection === undefined ? {} : { rejection }),
    ...(node === undefined ? {} : { node }),
  };
}

function decodeStatusMessage(bytes: Uint8Array): string {
  const reader = new BinaryReader(bytes);
  let message = '';
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 2) message = reader.string();
    else reader.skip(wireType);
  }
  return message;
}

/** `envoy.config.core.v3.Node`: its id and its metadata as JSON. Throws if the bytes are no such message. */
export function decodeNode(bytes: Uint8Array): { readonly id: string; readonly metadata: unknown } {
  const reader = new BinaryReader(bytes);
  let id = '';
  let metadata: unknown = {};
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) id = reader.string();
    else if (field === 3) metadata = toJson(StructSchema, fromBinary(StructSchema, reader.bytes()));
    else reader.skip(wireType);
  }
  return { id, metadata };
}

/** `resources` are encoded Anys, as `EncodeResource` gives them. */
export function encodeResponse(response: {
  readonly type: EnvoyResourceType;
  readonly version: string;
  readonly nonce: string;
  readonly resources: Iterable<Uint8Array>;
}): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(response.version);
  for (const resource of response.resources) writer.tag(2, WireType.LengthDelimited).bytes(resource);
  writer.tag(4, WireType.LengthDelimited).string(typeUrl(response.type));
  writer.tag(5, WireType.LengthDelimited).string(response.nonce);
  return writer.finish();
}
