/** Proofs of who is let in: by stage, by identity, by method and path. */
import type { AllowRule, PathMatch } from '../../../../src/plan/plan.ts';
import { bearing } from '../issuers.ts';
import type { IssuerName, Proof, Receiver, Secured } from './proof.ts';

const web = { namespace: 'shop', serviceAccount: 'web' };
const admin = { namespace: 'shop', serviceAccount: 'admin' };

const strict = (...allow: readonly AllowRule[]): Secured => ({ stage: 'strict', allow });
const staged = (stage: Secured['stage']): Secured => ({ stage, allow: [{ callers: [web] }] });
const onPaths = (...paths: readonly PathMatch[]): Secured => strict({ callers: [web], paths: [...paths] });

const everyone = async ({ ask }: Receiver) => [await ask('web'), await ask('admin'), await ask(undefined)];
const asking =
  (...paths: readonly string[]) =>
  async ({ ask }: Receiver) => {
    const answers: (number | 'closed')[] = [];
    for (const path of paths) answers.push(await ask('web', { path }));
    return answers;
  };

const ofTokens = (tokens: NonNullable<Secured['tokens']>): Secured => ({ ...strict({ callers: [web] }), tokens });
const showing =
  (...shown: readonly (readonly [by: IssuerName, claims: Readonly<Record<string, unknown>>])[]) =>
  async ({ ask, issuer }: Receiver) => {
    const answers: (number | 'closed')[] = [await ask('web')];
    for (const [by, claims] of shown) answers.push(await ask('web', bearing(await issuer(by).token(claims))));
    return answers;
  };

export const securityProofs = {
  'mtls.permissive': {
    kind: 'receiving',
    says: [staged('permissive'), staged('strict')],
    observe: everyone,
    shows: [
      [200, 200, 200],
      [200, 403, 'closed'],
    ],
  },
  'mtls.shadow': {
    kind: 'receiving',
    says: [staged('shadow'), staged('permissive')],
    observe: async (receiver) => [...(await everyone(receiver)), await receiver.shadowDenied()],
    shows: [
      [200, 200, 200, 2],
      [200, 200, 200, 0],
    ],
  },
  'mtls.strict': {
    kind: 'receiving',
    says: [staged('strict'), staged('shadow')],
    observe: everyone,
    shows: [
      [200, 403, 'closed'],
      [200, 200, 200],
    ],
  },
  'allow.nobody': {
    kind: 'receiving',
    says: [strict(), strict({ callers: [web] })],
    observe: everyone,
    shows: [
      [403, 403, 'closed'],
      [200, 403, 'closed'],
    ],
  },
  'allow.callers': {
    kind: 'receiving',
    says: [strict({ callers: [web] }), strict({ callers: [admin] })],
    observe: everyone,
    shows: [
      [200, 403, 'closed'],
      [403, 200, 'closed'],
    ],
  },
  'allow.methods': {
    kind: 'receiving',
    says: [strict({ callers: [web], methods: ['GET', 'HEAD'] }), strict({ callers: [web], methods: ['POST'] })],
    observe: async ({ ask }) => [await ask('web', { method: 'GET' }), await ask('web', { method: 'POST' })],
    shows: [
      [200, 403],
      [403, 200],
    ],
  },
  'allow.paths.exact': {
    kind: 'receiving',
    says: [onPaths({ exact: '/a' }), onPaths({ exact: '/a/b' })],
    observe: asking('/a', '/a/b', '/a?b'),
    shows: [
      [200, 403, 200],
      [403, 200, 403],
    ],
  },
  'allow.paths.prefix': {
    kind: 'receiving',
    says: [onPaths({ prefix: '/a/' }), onPaths({ prefix: '/b/' }, { prefix: '/c/' })],
    observe: asking('/a/x', '/c/x', '/a'),
    shows: [
      [200, 403, 403],
      [403, 200, 403],
    ],
  },
  'allow.paths.regex': {
    kind: 'receiving',
    says: [onPaths({ regex: '/v[0-9]' }), onPaths({ regex: '/v[0-9]+' })],
    observe: asking('/v1', '/v17', '/v1/x', '/v17?x'),
    shows: [
      [200, 403, 403, 403],
      [200, 200, 403, 200],
    ],
  },
  'allow.wildcards': {
    kind: 'receiving',
    says: [onPaths({ exact: '/*' }), onPaths({ prefix: '/{id}' })],
    observe: asking('/*', '/x', '/{id}/x'),
    shows: [
      [200, 403, 403],
      [403, 403, 200],
    ],
  },
  tokens: {
    kind: 'receiving',
    says: [ofTokens({ from: 'ours', audience: 'api://a' }), ofTokens({ from: 'others', audience: 'api://b' })],
    observe: showing(
      ['ours', { aud: 'api://a' }],
      ['ours', { aud: 'api://b' }],
      ['others', { aud: 'api://a' }],
      ['others', { aud: 'api://b' }],
    ),
    shows: [
      [401, 200, 403, 401, 401],
      [401, 401, 401, 403, 200],
    ],
  },
  'tokens.roles': {
    kind: 'receiving',
    says: [
      ofTokens({ from: 'ours', audience: 'a', roles: ['Read', 'Write'] }),
      ofTokens({ from: 'ours', audience: 'a', roles: ['Write'] }),
    ],
    observe: showing(
      ['ours', { aud: 'a' }],
      ['ours', { aud: 'a', roles: ['Read'] }],
      ['ours', { aud: ['b', 'a'], roles: ['Other', 'Write'] }],
      ['ours', { aud: 'a', roles: 'Write' }],
    ),
    shows: [
      [401, 403, 200, 200, 200],
      [401, 403, 403, 200, 200],
    ],
  },
} as const satisfies Readonly<Record<string, Proof>>;
