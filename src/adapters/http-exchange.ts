/** One HTTP request and its whole answer, over whatever connection the options name; and why there was none, in words. */
import http from 'node:http';
import https from 'node:https';
import type { HttpAnswer } from './kubernetes-answers.ts';

/** Dumps of a large proxy's configuration are some megabytes. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Rejects when there is no whole answer; with the signal's reason when that is why. */
export function exchange(url: URL, options: https.RequestOptions, body?: string): Promise<HttpAnswer> {
  const { request } = url.protocol === 'http:' ? http : https;
  return new Promise((resolve, reject) => {
    const call = request(url, options, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_BYTES) call.destroy(new Error(`the answer is larger than ${MAX_BYTES} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        const retryAfter = response.headers['retry-after'];
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 0, ...(retryAfter === undefined ? {} : { retryAfter }), body: text });
      });
    });
    call.on('error', (error) => reject(options.signal?.aborted ? options.signal.reason : error));
    call.end(body);
  });
}

/** Of a failed fetch nothing but a code is told: its message may hold the address, or a header. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if (error.name === 'TimeoutError') return 'no answer in time';
  // What fetch says is in its cause.
  const [code] = [error, error.cause].flatMap((each) => (each instanceof Error && 'code' in each ? [each.code] : []));
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,40}$/.test(code) ? code : 'no connection';
}

export function explained(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer in ${timeoutMs} ms`;
  // What all addresses of a name answered is inside.
  if (error instanceof AggregateError && error.errors.length > 0) return explained(error.errors[0], timeoutMs);
  return error.message;
}
