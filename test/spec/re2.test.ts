import { describe, expect, it } from 'vitest';
import { re2Problem } from '../../src/spec/re2.ts';

describe('re2Problem', () => {
  it.each([
    '/v[0-9]+/.*',
    '^/(a|b)?$',
    '(?i)beta',
    '(?P<name>x)(?:y)(?<other>z)',
    '(?i-s:a.b)',
    '[]a]',
    '[^]a]+',
    '[[:alpha:]_]{2,5}?',
    '\\pL\\x{1F600}\\d+\\.\\/',
    '\\Q(?=\\E',
    'a*?b',
    '[](]',
    '^*a',
    'a{,3}',
    '',
  ])('takes %j', (pattern) => {
    expect(re2Problem(pattern)).toBeUndefined();
  });

  it.each([
    ['(?=a)', /look-around/],
    ['(?!a)', /look-around/],
    ['(?<=a)b', /look-around/],
    ['(?<!a)b', /look-around/],
    ['(?>a)', /atomic/],
    ['(a)\\1', /back-reference/],
    ['(?<n>a)\\k<n>', /back-reference/],
    ['a++', /possessive/],
    ['a**', /doubled/],
    ['a{1001}', /1000/],
    ['*a', /nothing to repeat/],
    ['(+a)', /nothing to repeat/],
    ['a|*b', /nothing to repeat/],
    ['(a', /never closed/],
    ['a)', /no `\(`/],
    ['[a', /never closed/],
    ['a\\', /lone/],
    ['\\Z', /does not know/],
  ])('refuses %j', (pattern, why) => {
    expect(re2Problem(pattern)).toMatch(why);
  });
});
