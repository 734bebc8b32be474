/**
 * Paths as Envoys compare them that normalize them first (`normalize_path`, as ours and Istio's do): what a path may not hold as it
 * stands is escaped, what need not be escaped is not.
 */

/** Of a whole path or its beginning. What isn't ASCII reaches Envoy escaped, or is refused. */
export function normalized(path: string): string {
  return path
    .toWellFormed()
    .replace(/%[0-9a-fA-F]{2}/g, plainWhereItMayBe)
    .replace(/["<>^`{|}\s\u007f-\u{10ffff}]/gu, encodeURIComponent)
    .replaceAll('\\', '/');
}

function plainWhereItMayBe(escaped: string): string {
  const letter = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
  return /[A-Za-z0-9._~-]/.test(letter) ? letter : escaped;
}
