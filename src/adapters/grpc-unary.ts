/** One call of gRPC over an HTTP/2 session that is there (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
import type http2 from 'node:http2';

const MAX_ANSWER = 1024 * 1024;

export interface UnaryAnswer {
  /** Of gRPC; 0: it went well. */
  readonly status: number;
  readonly message: string;
  /** The message without its frame; empty where there is none. */
  readonly body: Uint8Array;
}

/** `method` such as `/package.Service/Method`. Rejects where there is no whole answer before `signal`. */
export function unary(
  session: http2.ClientHttp2Session,
  method: string,
  message: Uint8Array,
  { signal, headers = {} }: { readonly signal: AbortSignal; readonly headers?: http2.OutgoingHttpHeaders },
): Promise<UnaryAnswer> {
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    const own = { ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers' };
    const call = session.request({ ...own, ...headers }, { signal });
    const chunks: Buffer[] = [];
    let bytes = 0;
    let ended: http2.IncomingHttpHeaders = {};
    // A failure before any message comes as headers alone.
    call.on('response', (first) => (ended = first)).on('trailers', (last) => (ended = last));
    call.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER) call.destroy(new Error(`the answer is larger than ${MAX_ANSWER} bytes`));
      else chunks.push(chunk);
    });
    call.on('error', (error) => reject(signal.aborted ? signal.reason : error));
    call.on('end', () => {
      const status = Number(ended['grpc-status'] ?? Number.NaN);
      if (Number.isNaN(status)) return reject(new Error('the answer ended without a status'));
      resolve({ status, message: decodeURIComponent(String(ended['grpc-message'] ?? '')), body: Buffer.concat(chunks).subarray(5) });
    });
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(message.length, 1);
    call.end(Buffer.concat([frame, message]));
  });
}
