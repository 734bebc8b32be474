/** Cases of the fields that say who may call: read at the receiver's proxy, for callers that are meant and for others. */
import type { Json } from '../../../src/journal/documents.ts';
import type { AllowRule } from '../../../src/plan/plan.ts';
import { CALLERS, type FieldCase, NAMESPACE, type Said } from './field-case.ts';
import type { Said as SaidRequest, Seen } from './seen.ts';

const caller = (name: string) => ({ namespace: NAMESPACE, serviceAccount: name, service: name });
const strict = (...allow: readonly AllowRule[]): Said => ({ security: { stage: 'strict', allow } });
const web: AllowRule = { callers: [caller('web')] };

const answers =
  (calls: Readonly<Record<string, SaidRequest>>) =>
  (seen: Seen): Json =>
    Object.fromEntries(Object.entries(calls).map(([name, said]) => [name, seen.receives('web', said).answer]));

const eachCaller = (seen: Seen): Json => Object.fromEntries(CALLERS.map((name) => [name, seen.receives(name).answer]));

/** What becomes of plaintext, of somebody who is not allowed, and whether the latter is told of. */
function stage(seen: Seen): Json {
  const stranger = seen.receives('admin');
  return { plaintext: seen.receivesPlaintext().answer, stranger: stranger.answer, reported: stranger.wouldBe ?? 'nothing' };
}

const staged = {
  permissive: {
    plan: { security: { stage: 'permissive', allow: [web] } },
    reads: { plaintext: 'let in', stranger: 'let in', reported: 'nothing' },
  },
  shadow: {
    plan: { security: { stage: 'shadow', allow: [web] } },
    reads: { plaintext: 'let in', stranger: 'let in', reported: 'refused' },
  },
  strict: { plan: strict(web), reads: { plaintext: 'no connection', stranger: 'refused', reported: 'nothing' } },
} as const;

/** Where the stages before it cannot be said, and proxies never take plaintext. */
export const strictOrNothing: FieldCase = {
  needs: 'receiver',
  read: stage,
  values: [staged.strict, { plan: {}, reads: { plaintext: 'no connection', stranger: 'let in', reported: 'nothing' } }],
};

const paths = (...all: readonly string[]) => answers(Object.fromEntries(all.map((path) => [path, { path }])));
const onPaths = (path: NonNullable<AllowRule['paths']>[number]): Said => strict({ ...web, paths: [path] });

const FIRST = 'https://first.example/v2.0';
const SECOND = 'https://second.example/v2.0';
const token = (key: string, iss: string, aud: string, ...roles: readonly string[]) => ({ key, claims: { iss, aud, roles } });
const asking = (tokens: NonNullable<Said['tokens']>): Said => ({ ...strict(web), tokens });

export const securityCases = {
  'mtls.permissive': { needs: 'receiver', read: stage, values: [staged.permissive, staged.strict] },
  'mtls.shadow': { needs: 'receiver', read: stage, values: [staged.shadow, staged.permissive] },
  'mtls.strict': { needs: 'receiver', read: stage, values: [staged.strict, staged.shadow] },
  'allow.nobody': {
    needs: 'receiver',
    read: eachCaller,
    values: [
      { plan: strict(), reads: { web: 'refused', admin: 'refused' } },
      { plan: strict(web), reads: { web: 'let in', admin: 'refused' } },
    ],
  },
  'allow.callers': {
    needs: 'receiver',
    read: eachCaller,
    values: [
      { plan: strict(web), reads: { web: 'let in', admin: 'refused' } },
      { plan: strict({ callers: [caller('admin')] }), reads: { web: 'refused', admin: 'let in' } },
    ],
  },
  'allow.methods': {
    needs: 'receiver',
    read: answers({ GET: {}, POST: { method: 'POST' } }),
    values: [
      { plan: strict({ ...web, methods: ['GET'] }), reads: { GET: 'let in', POST: 'refused' } },
      { plan: strict({ ...web, methods: ['POST'] }), reads: { GET: 'refused', POST: 'let in' } },
    ],
  },
  'allow.paths.exact': {
    needs: 'receiver',
    read: paths('/a', '/a/b', '/b'),
    values: [
      { plan: onPaths({ exact: '/a' }), reads: { '/a': 'let in', '/a/b': 'refused', '/b': 'refused' } },
      { plan: onPaths({ exact: '/b' }), reads: { '/a': 'refused', '/a/b': 'refused', '/b': 'let in' } },
    ],
  },
  'allow.paths.prefix': {
    needs: 'receiver',
    read: paths('/a', '/ab', '/a/b', '/x/a'),
    values: [
      { plan: onPaths({ prefix: '/a' }), reads: { '/a': 'let in', '/ab': 'let in', '/a/b': 'let in', '/x/a': 'refused' } },
      { plan: onPaths({ prefix: '/a/' }), reads: { '/a': 'refused', '/ab': 'refused', '/a/b': 'let in', '/x/a': 'refused' } },
    ],
  },
  'allow.paths.regex': {
    needs: 'receiver',
    read: paths('/v1/x', '/v1/x/y', '/w1/x'),
    values: [
      { plan: onPaths({ regex: '/v[0-9]+/x' }), reads: { '/v1/x': 'let in', '/v1/x/y': 'refused', '/w1/x': 'refused' } },
      { plan: onPaths({ regex: '/[vw][0-9]+/x' }), reads: { '/v1/x': 'let in', '/v1/x/y': 'refused', '/w1/x': 'let in' } },
    ],
  },
  'allow.wildcards': {
    needs: 'receiver',
    read: paths('/a*', '/ab', '/{x}', '/y'),
    values: [
      { plan: onPaths({ exact: '/a*' }), reads: { '/a*': 'let in', '/ab': 'refused', '/{x}': 'refused', '/y': 'refused' } },
      { plan: onPaths({ exact: '/{x}' }), reads: { '/a*': 'refused', '/ab': 'refused', '/{x}': 'let in', '/y': 'refused' } },
    ],
  },
  tokens: {
    needs: 'receiver',
    read: answers({
      none: {},
      first: { token: token('key-1', FIRST, 'a') },
      'for another': { token: token('key-1', FIRST, 'b') },
      second: { token: token('key-2', SECOND, 'b') },
      'by the key of another': { token: token('key-1', SECOND, 'b') },
    }),
    values: [
      {
        plan: asking({ issuer: FIRST, keys: 'first', audience: 'a' }),
        reads: { none: 'refused', first: 'let in', 'for another': 'refused', second: 'refused', 'by the key of another': 'refused' },
      },
      {
        plan: asking({ issuer: SECOND, keys: 'second', audience: 'b' }),
        reads: { none: 'refused', first: 'refused', 'for another': 'refused', second: 'let in', 'by the key of another': 'refused' },
      },
    ],
  },
  'tokens.roles': {
    needs: 'receiver',
    read: answers({
      none: { token: token('key-1', FIRST, 'a') },
      reader: { token: token('key-1', FIRST, 'a', 'Other', 'Read') },
      writer: { token: token('key-1', FIRST, 'a', 'Write') },
    }),
    values: [
      {
        plan: asking({ issuer: FIRST, keys: 'first', audience: 'a', roles: ['Read', 'Write'] }),
        reads: { none: 'refused', reader: 'let in', writer: 'let in' },
      },
      {
        plan: asking({ issuer: FIRST, keys: 'first', audience: 'a', roles: ['Write'] }),
        reads: { none: 'refused', reader: 'refused', writer: 'let in' },
      },
    ],
  },
} satisfies Record<string, FieldCase>;
