/** What an Envoy writes to the access log service, field by field as its protobuf definitions have it; and a stream to write it to. */
import { fromJson, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata, type StatusObject } from '@grpc/grpc-js';

type Field = readonly [number, Uint8Array | string];

/** A message of length-delimited fields only. */
export function message(...fields: readonly Field[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [field, value] of fields) {
    writer.tag(field, WireType.LengthDelimited);
    if (typeof value === 'string') writer.string(value);
    else writer.bytes(value);
  }
  return writer.finish();
}

/** google.protobuf.Struct */
export const structOf = (json: JsonObject): Uint8Array => toBinary(StructSchema, fromJson(StructSchema, json));

/** HTTPAccessLogEntry of a caller with these names in its certificate; its path and headers are there as Envoy sends them. */
export const overMtls = (...uris: readonly string[]): Uint8Array => {
  const certificate = message(...uris.map((uri): Field => [1, message([1, uri])]), [2, 'CN=Kim']);
  return entry([4, message([5, certificate])]);
};

/** In plaintext, from an address. */
export const inPlaintext = (address: string): Uint8Array => entry([20, addressOf(address)]);

const addressOf = (address: string): Uint8Array => message([1, message([2, address])]);

function entry(...common: readonly Field[]): Uint8Array {
  const request = message([4, 'shop.example'], [5, '/orders?token=secret'], [6, 'kim@example.com']);
  // The address that a header claims is another field than the peer's.
  return message([1, message([2, addressOf('10.9.9.9')], ...common)], [3, request]);
}

/** StreamAccessLogsMessage. */
export const entries = (...logged: readonly Uint8Array[]): Uint8Array => message([2, message(...logged.map((each): Field => [1, each]))]);

export const identifying = (node: Uint8Array, logName: string, ...logged: readonly Uint8Array[]): Uint8Array =>
  message([1, message([1, node], [2, logName])], [2, message(...logged.map((each): Field => [1, each]))]);

export interface LogStream {
  send(bytes: Uint8Array): void;
  /** How it ended: a gRPC code and what was said. */
  ended(): Promise<{ readonly code: number; readonly details: string }>;
  close(): void;
}

export function openLogStream(port: number, authorization?: string): LogStream {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const metadata = new Metadata();
  if (authorization !== undefined) metadata.set('authorization', authorization);
  const asIs = (bytes: Buffer): Buffer => bytes;
  const stream = client.makeBidiStreamRequest<Buffer, Buffer>(
    '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs',
    asIs,
    asIs,
    metadata,
  );
  stream.on('error', () => undefined).resume();
  const status = new Promise<StatusObject>((resolve) => stream.on('status', resolve));
  return {
    send: (bytes) => void stream.write(Buffer.from(bytes)),
    async ended() {
      const { code, details } = await status;
      return { code, details };
    },
    close() {
      client.close();
    },
  };
}
