/**
 * Whether a regular expression is one RE2 would take, as far as its syntax shows (https://github.com/google/re2/wiki/Syntax):
 * the data planes match with RE2, which has no look-around, back-references, atomic groups or possessive repetition.
 * Not checked: names of Unicode classes, and the size of the compiled program.
 */

const GROUP_OPENING = /^\?(?:P?<[A-Za-z_]\w*>|[imsU]*(?:-[imsU]+)?[:)])/;
const COUNTED = /^\{(\d+)(?:,(\d*))?\}/;
const MAX_REPEAT = 1000;

/** Undefined when nothing speaks against `pattern`; otherwise one clause that says what RE2 refuses. */
export function re2Problem(pattern: string): string | undefined {
  let depth = 0;
  let repeatable = false;
  let index = 0;
  while (index < pattern.length) {
    const rest = pattern.slice(index);
    const at = rest.charAt(0);
    if (at === '\\') {
      const escaped = escapeLength(rest);
      if (typeof escaped === 'string') return escaped;
      index += escaped;
      repeatable = true;
    } else if (at === '[') {
      const length = classLength(rest);
      if (length === undefined) return 'a `[` is never closed';
      index += length;
      repeatable = true;
    } else if (at === '(') {
      const opening = rest.startsWith('(?') ? GROUP_OPENING.exec(rest.slice(1))?.[0] : '';
      if (opening === undefined) return `RE2 has no \`${rest.slice(0, 4)}\` groups (no look-around, no atomic groups)`;
      if (!opening.endsWith(')')) depth += 1;
      index += 1 + opening.length;
      repeatable = false;
    } else if (at === ')') {
      depth -= 1;
      if (depth < 0) return 'a `)` has no `(`';
      index += 1;
      repeatable = true;
    } else {
      const repetition = repetitionLength(rest);
      if (typeof repetition === 'string') return repetition;
      if (repetition > 0 && !repeatable) return `\`${rest.slice(0, repetition)}\` has nothing to repeat`;
      index += repetition > 0 ? repetition : 1;
      repeatable = repetition === 0 && at !== '|';
    }
  }
  return depth > 0 ? 'a `(` is never closed' : undefined;
}

function escapeLength(rest: string): number | string {
  const escaped = rest.charAt(1);
  if (escaped === '') return 'it ends in a lone `\\`';
  if (/[1-9]/.test(escaped)) return `RE2 has no back-references such as \`\\${escaped}\``;
  if (escaped === 'k') return 'RE2 has no back-references such as `\\k<name>`';
  if (escaped === 'Q') {
    const end = rest.indexOf('\\E');
    return end === -1 ? rest.length : end + 2;
  }
  if (/[A-Za-z]/.test(escaped) && !/[AbBdDsSwWzaftnrvxpPC]/.test(escaped)) return `RE2 does not know \`\\${escaped}\``;
  const braced = /^\\[pPx]\{[^}]*\}/.exec(rest);
  return braced === null ? 2 : braced[0].length;
}

function classLength(rest: string): number | undefined {
  let index = rest.startsWith('[^') ? 2 : 1;
  // A `]` in first place is a literal.
  if (rest.charAt(index) === ']') index += 1;
  while (index < rest.length) {
    if (rest.charAt(index) === '\\') index += 2;
    else if (rest.startsWith('[:', index) && rest.includes(':]', index)) index = rest.indexOf(':]', index) + 2;
    else if (rest.charAt(index) === ']') return index + 1;
    else index += 1;
  }
  return undefined;
}

/** 0 when `rest` begins with no repetition; its length with a lazy `?` included; a clause when RE2 refuses it. */
function repetitionLength(rest: string): number | string {
  const counted = COUNTED.exec(rest);
  const bare = /^[*+?]/.test(rest) ? 1 : (counted?.[0].length ?? 0);
  if (bare === 0) return 0;
  if (counted !== null && Math.max(Number(counted[1]), Number(counted[2] ?? 0)) > MAX_REPEAT)
    return `RE2 repeats at most ${MAX_REPEAT} times`;
  const length = rest.charAt(bare) === '?' ? bare + 1 : bare;
  if (/^(?:[*+?]|\{\d+(?:,\d*)?\})/.test(rest.slice(length)))
    return `RE2 has no \`${rest.slice(0, length + 1)}\` (no possessive or doubled repetition)`;
  return length;
}
