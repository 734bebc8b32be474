/**
 * Personal data out of what Azure sends, before anything is kept: Resource Manager puts the caller's token claims (name, UPN,
 * IP address), role evidence and HTTP request into its events and activity log alerts; a registry names its actor, a budget whoever made it. Halves of
 * characters go as well: JSON can spell a lone surrogate, and what holds one has no canonical form and so no fingerprint.
 */
import { createHash } from 'node:crypto';

const PERSONAL = new Set(['authorization', 'budgetcreator', 'caller', 'claims', 'httprequest']);
/** Deeper than any payload we know; below it nothing is kept, so that hostile nesting can't exhaust the stack. */
const MAX_DEPTH = 64;

/**
 * A copy of JSON data without personal claims, at any depth and in any case of their keys; `null` stands for what was nested deeper
 * than 64 levels, U+FFFD for a lone surrogate. What a CloudEvent carries as `data_base64` is stripped too: JSON becomes its `data`,
 * and of other content, in which nothing can be found, `null` is left.
 */
export function withoutPersonalClaims(data: unknown): unknown {
  return copy(data, 0);
}

/** What of a delivery may be kept: JSON without personal claims; of plain text, in which they cannot be told, its size and hash. */
export function keepable(body: unknown): unknown {
  if (typeof body !== 'string') return withoutPersonalClaims(body);
  const sha256 = createHash('sha256').update(body).digest('hex');
  return { withheld: 'This came as plain text, which is not kept: it may hold personal data.', bytes: Buffer.byteLength(body), sha256 };
}

function copy(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value !== 'object' || value === null) return value;
  if (depth === MAX_DEPTH) return null;
  if (Array.isArray(value)) return value.map((item) => copy(item, depth + 1));
  return Object.fromEntries(
    unpacked(Object.entries(value))
      .filter(([key, inner]) => !isPersonal(key.toLowerCase(), inner))
      .map(([key, inner]) => [key.toWellFormed(), copy(inner, depth + 1)]),
  );
}

/** `actor` as an object is a registry's user; as a text it is what our own requests say of themselves. */
function isPersonal(key: string, value: unknown): boolean {
  return PERSONAL.has(key) || (key === 'actor' && typeof value === 'object');
}

function unpacked(entries: readonly [string, unknown][]): readonly [string, unknown][] {
  const [first, ...more] = entries.flatMap(([key, inner]) => (isPacked(key) && typeof inner === 'string' ? [inner] : []));
  if (first === undefined) return entries;
  const rest = entries.filter(([key]) => !isPacked(key));
  const there = rest.some(([key, inner]) => key === 'data' && inner !== null);
  const content = there || more.length > 0 ? undefined : decoded(first);
  return [...rest, content === undefined ? ['data_base64', null] : ['data', content]];
}

const isPacked = (key: string): boolean => key.toLowerCase() === 'data_base64';

/** JSON in Base64; undefined for other content, which no event we act on has. */
function decoded(base64: string): unknown {
  try {
    return JSON.parse(Buffer.from(base64, 'base64').toString('utf8'));
  } catch {
    return undefined;
  }
}
