/** What tests over HTTP hold each answer to. */
import { describe, expect, it } from 'vitest';
import { type AnswerSeen, conforms } from './conforming.ts';

const health: AnswerSeen = {
  method: 'GET',
  path: '/health?x=1',
  status: 200,
  contentType: 'application/json',
  body: { status: 'ok', meshes: 1 },
};
const problem = { type: 'about:blank', title: 'Service Unavailable', status: 503, detail: 'Try again.', reason: 'TemporaryFault' };
const refused: AnswerSeen = { ...health, status: 503, contentType: 'application/problem+json', body: problem };

describe('an answer', () => {
  it.each([health, refused, { ...health, path: '/nowhere', status: 404 }])('is as its route says: %o', (seen) => {
    expect(() => conforms(seen)).not.toThrow();
  });

  it.each<readonly [string, AnswerSeen]>([
    ['a field is missing', { ...health, body: { status: 'ok' } }],
    ['it has another type', { ...health, contentType: 'text/plain' }],
    ['it has a status that the route never has', { ...refused, status: 418, body: { ...problem, status: 418 } }],
    ['a problem is told as JSON', { ...refused, contentType: 'application/json' }],
    ['a problem has no reason', { ...refused, body: { ...problem, reason: undefined } }],
    ['a problem is of another status', { ...refused, body: { ...problem, status: 500 } }],
  ])('is not where %s', (_what, seen) => {
    expect(() => conforms(seen)).toThrow(/and not as health does/);
  });
});
