/**
 * Bidirectional gRPC methods as the ADS server needs them, over @grpc/grpc-js: bytes in, bytes out, an end with a status
 * and a sentence. Keepalive notices a client that has vanished within 15 s.
 */
import {
  type handleBidiStreamingCall,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerOptions,
  status,
} from '@grpc/grpc-js';

/** The codes of gRPC that this project answers with. */
export const grpcStatus = {
  ok: status.OK,
  invalidArgument: status.INVALID_ARGUMENT,
  alreadyExists: status.ALREADY_EXISTS,
  unauthenticated: status.UNAUTHENTICATED,
} as const;
export type GrpcStatus = (typeof grpcStatus)[keyof typeof grpcStatus];

export interface GrpcStream {
  /** The same bytes may be sent on any number of streams. Nothing happens once the stream has ended. */
  send(message: Buffer): void;
  /** Ends the stream; what was sent arrives first. */
  end(status: GrpcStatus, message?: string): void;
}

export interface GrpcHandler {
  readonly message: (bytes: Buffer) => void;
  /** Called once, however the stream ended. */
  readonly closed: () => void;
}

export interface GrpcMethod {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** undefined: the stream has been refused with `end`. */
  readonly open: (stream: GrpcStream, authorization: string | undefined) => GrpcHandler | undefined;
}

export interface GrpcServerOptions {
  /** Port 0 takes a free one. */
  readonly address: { readonly host: string; readonly port: number };
  /** absent: plaintext. */
  readonly credentials?: ServerCredentials;
  /** Every other is answered with UNIMPLEMENTED. */
  readonly methods: readonly GrpcMethod[];
  /** Longer messages end the stream with RESOURCE_EXHAUSTED. */
  readonly maxMessageBytes: number;
}

export interface GrpcServer {
  readonly port: number;
  /** Ends all streams and frees the port. */
  stop(): Promise<void>;
}

type Call = ServerDuplexStream<Buffer, Buffer>;

const asIs = (bytes: Buffer): Buffer => bytes;

/** Rejects if the address cannot be bound. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const { methods, maxMessageBytes, credentials = ServerCredentials.createInsecure() } = options;
  const settings: ServerOptions = {
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': -1,
    'grpc.enable_channelz': 0,
  };
  const server = new Server(settings);
  for (const served of methods) {
    const handle: handleBidiStreamingCall<Buffer, Buffer> = (call) => serve(call, served);
    server.addService({ method: definitionOf(served) }, { method: handle });
  }
  const { host, port } = options.address;
  const bound = await new Promise<number>((resolve, reject) => {
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    server.bindAsync(address, credentials, (error, actual) => (error ? reject(error) : resolve(actual)));
  });
  return {
    port: bound,
    async stop() {
      server.forceShutdown();
    },
  };
}

function definitionOf({ path }: GrpcMethod): MethodDefinition<Buffer, Buffer> {
  return {
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}

function serve(call: Call, { open }: GrpcMethod): void {
  let ended = false;
  let handler: GrpcHandler | undefined;
  const closed = (): void => {
    if (ended && !handler) return;
    ended = true;
    handler?.closed();
    handler = undefined;
  };
  const stream: GrpcStream = {
    send(message) {
      if (!ended) call.write(message);
    },
    end(code, message = '') {
      if (ended) return;
      ended = true;
      if (code === grpcStatus.ok) call.end();
      else call.emit('error', { code, details: message });
    },
  };
  // Listened to before anything is refused: a refusal is an error of the call, which closes it.
  call.on('cancelled', closed);
  call.on('error', closed);
  handler = open(stream, call.metadata.get('authorization')[0]?.toString());
  call.on('data', (bytes: Buffer) => {
    if (!ended) handler?.message(bytes);
  });
  call.on('end', () => {
    stream.end(grpcStatus.ok);
    closed();
  });
}
