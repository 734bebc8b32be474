/** The little of DER (X.690) that the library keeps to itself: where an element ends, and the bytes that were signed as they came. */

/** The bytes of the first element inside of the one that `der` is; `undefined` where `der` is not exactly one with one inside. */
export function firstInside(der: Uint8Array): Uint8Array | undefined {
  const outer = elementAt(der, 0);
  if (!outer || outer.end !== der.length) return undefined;
  const inner = elementAt(der, outer.content);
  return inner && inner.end <= outer.end ? der.subarray(outer.content, inner.end) : undefined;
}

/** Where the element at `at` has its content and its end; lengths as DER has them, up to three octets. */
function elementAt(der: Uint8Array, at: number): { readonly content: number; readonly end: number } | undefined {
  const first = der[at + 1];
  if (first === undefined || first === 0x80 || first > 0x83) return undefined;
  if (first < 0x80) return { content: at + 2, end: at + 2 + first };
  const content = at + 2 + (first & 0x7f);
  if (content > der.length) return undefined;
  const length = der.subarray(at + 2, content).reduce((sum, octet) => sum * 256 + octet, 0);
  return { content, end: content + length };
}
