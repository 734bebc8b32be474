/** Regular expressions for meshes that have no other way to say a text: read alike by RE2 and by Rust, searched for or matched whole. */

/** Matches this text and nothing else. */
export const literally = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** Matches the whole value, also where the mesh looks for the expression anywhere in it, or takes the first alternative that fits. */
export const whole = (expression: string): string => `^(?:${expression})$`;

/** Matches what begins with this text. */
export const beginsWith = (text: string): string => whole(`${literally(text)}.*`);

const DOT = String.raw`(?:\.|%2e)`;
const ESCAPED = '%(?:[01346-9a-f][0-9a-f]|2[0-9a-d]|5[0-9abd-f])';
const SEPARATOR = String.raw`(?:[/\\]|%2f|%5c)`;
/** Of an element of a path, however its letters are written: any letter, and those that an element of dots does not go on with. */
const LETTER = String.raw`(?:[^/\\%]|${ESCAPED}|%2e)`;
const NO_DOT = String.raw`(?:[^/\\%.]|${ESCAPED})`;
const NO_END = String.raw`(?:[^/\\%;]|${ESCAPED}|%2e)`;
/** Every element but `..`, which ends at a `;` too for some servers. */
const ELEMENT = `(?:${DOT}?(?:${NO_DOT}${LETTER}*)?|${DOT}{2}${NO_END}${LETTER}*)`;

/**
 * Matches what begins with this text and does not lead upwards by `..` behind it, for proxies that compare paths as they come. The text
 * is one that `leadsUpwards` does not find.
 */
export function below(prefix: string): string {
  if (prefix === '/') return beginsWith(prefix);
  const rest = prefix.endsWith('/') ? `(?:${ELEMENT}(?:${SEPARATOR}|$))*` : `${LETTER}*(?:${SEPARATOR}${ELEMENT})*`;
  return whole(`${literally(prefix)}(?i:${rest})`);
}

/** The prefix, if `expression`, without its anchors, is what `below` makes of one. */
export function prefixOf(expression: string): string | undefined {
  const literal = /^((?:[^\\]|\\.)*?)\(\?i:/.exec(expression)?.[1]?.replace(/\\(.)/g, '$1');
  return literal !== undefined && below(literal) === whole(expression) ? literal : undefined;
}

/** Whether a text that paths are to begin with holds, or could go on to, an element of which it depends on the reader where it leads. */
export const leadsUpwards = (prefix: string): boolean => /\/\.{1,2}(?:\/|;|$)|\\|%(?:2e|2f|5c)|%[0-9a-f]?$/i.test(prefix);
