/**
 * How the host itself answers: a status with headers and a body, and for errors RFC 9457 problem details, with the
 * `reason` that every refusal of the project carries. What a function answers is passed through untouched.
 */
import { STATUS_CODES } from 'node:http';

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

/** `message` is one sentence that says what to do. */
export function problem(status: number, reason: string, message: string, headers: Readonly<Record<string, string>> = {}): Reply {
  const body = JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, detail: message, reason });
  return { status, headers: { ...headers, 'content-type': 'application/problem+json' }, body };
}
