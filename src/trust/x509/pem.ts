/** One object as PEM (RFC 7468) or DER, in and out. */

/** The one object of this kind that `input` holds; `undefined` where it holds none, several, another kind or more than `maxBytes`. */
export function readOne(input: string | Uint8Array, tag: string, maxBytes: number): Uint8Array | undefined {
  if (input.length > maxBytes) return undefined;
  const text = typeof input === 'string' ? input : beginsAsPem(input) ? Buffer.from(input).toString('latin1') : undefined;
  if (text === undefined) return typeof input === 'string' || input.length === 0 ? undefined : new Uint8Array(input);
  const [, begin, body, end] = /^\s*-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]+)-----END ([A-Z0-9 ]+)-----\s*$/.exec(text) ?? [];
  if (begin !== tag || end !== tag || body === undefined) return undefined;
  const base64 = body.replaceAll(/\s/g, '');
  return /^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64)
    ? new Uint8Array(Buffer.from(base64, 'base64'))
    : undefined;
}

const beginsAsPem = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(0, 64)).toString('latin1').trimStart().startsWith('-----BEGIN ');

export const pemOf = (tag: string, der: Uint8Array): string =>
  [
    `-----BEGIN ${tag}-----`,
    ...(Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []),
    `-----END ${tag}-----`,
    '',
  ].join('\n');
