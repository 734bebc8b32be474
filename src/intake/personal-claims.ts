/**
 * Personal data out of what Azure sends, before anything is kept: Resource Manager puts the caller's token claims (name, UPN,
 * IP address), role evidence and HTTP request into its events and activity log alerts; a registry names its actor. Halves of
 * characters go as well: JSON can spell a lone surrogate, and what holds one has no canonical form and so no fingerprint.
 */

const PERSONAL = new Set(['authorization', 'caller', 'claims', 'httprequest']);
/** Deeper than any payload we know; below it nothing is kept, so that hostile nesting can't exhaust the stack. */
const MAX_DEPTH = 64;

/**
 * A copy of JSON data without personal claims, at any depth and in any case of their keys; `null` stands for what was nested deeper
 * than 64 levels, U+FFFD for a lone surrogate.
 */
export function withoutPersonalClaims(data: unknown): unknown {
  return copy(data, 0);
}

function copy(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value !== 'object' || value === null) return value;
  if (depth === MAX_DEPTH) return null;
  if (Array.isArray(value)) return value.map((item) => copy(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => !isPersonal(key.toLowerCase(), inner))
      .map(([key, inner]) => [key.toWellFormed(), copy(inner, depth + 1)]),
  );
}

/** `actor` as an object is a registry's user; as a text it is what our own requests say of themselves. */
function isPersonal(key: string, value: unknown): boolean {
  return PERSONAL.has(key) || (key === 'actor' && typeof value === 'object');
}
