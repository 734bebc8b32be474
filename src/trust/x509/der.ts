/** The little of DER (X.690) that the library keeps to itself: where elements begin and end, and the bytes that were signed as they came. */

/** The elements inside of the one that `der` is, whole; `undefined` where `der` is not exactly one, or ends within one of them. */
export function elementsIn(der: Uint8Array): readonly Uint8Array[] | undefined {
  const outer = elementAt(der, 0);
  if (!outer || outer.end !== der.length) return undefined;
  const found: Uint8Array[] = [];
  for (let at = outer.content; at < outer.end; ) {
    const inner = elementAt(der, at);
    if (!inner || inner.end > outer.end) return undefined;
    found.push(der.subarray(at, inner.end));
    at = inner.end;
  }
  return found;
}

/** What a BIT STRING of whole octets holds; `undefined` for anything else. */
export function octetsOf(bitString: Uint8Array): Uint8Array | undefined {
  const element = elementAt(bitString, 0);
  if (bitString[0] !== 0x03 || !element || bitString[element.content] !== 0) return undefined;
  return bitString.subarray(element.content + 1, element.end);
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
