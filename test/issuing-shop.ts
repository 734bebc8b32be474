/** A mesh whose workloads come with tokens of a cluster, of Entra ID and of operators, and how they ask for leafs. */
import { createHash } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { tokenVerifier } from '../src/adapters/token-verifier.ts';
import { makeKey } from '../src/agent/signing-request.ts';
import type { LeafRequest } from '../src/issuing.ts';
import { startIssuer } from './adapters/local-issuer.ts';
import { type IssuingMesh, issuingMesh, MESH } from './trust/issuing-mesh.ts';

export const START = Date.parse('2026-11-22T12:00:00Z');
export const MINUTE = 60_000;
export const DAY = 86_400_000;
const AUDIENCE = 'meshwright/shop';
const TENANT = '7b0ad1a6-7e5c-4b0e-9e5f-0d1c2b3a4f55';
const PRINCIPAL = 'd3c1f0a2-4b5e-4c6d-8e7f-9a0b1c2d3e4f';
export const web = { namespace: 'shop', serviceAccount: 'web' };
export const spiffe = (path: string, domain = 'shop.example') => `spiffe://${domain}/${path}`;
export const digest = (text: string) => createHash('sha256').update(text).digest('hex');

/** One with a cluster whose tokens count, and a clock. It ends with the test. */
export async function shop() {
  const clock = { now: START };
  const now = () => clock.now;
  const issuer = await startIssuer(now);
  const entra = await startIssuer(now, `/${TENANT}/v2.0`);
  onTestFinished(async () => {
    for (const each of [issuer, entra]) await each.stop();
  });
  const identity = { principal: PRINCIPAL, namespace: 'edge', serviceAccount: 'gateway' };
  const mesh = await issuingMesh({
    now,
    attest: [
      { kind: 'kubernetes', issuer: issuer.url, audience: AUDIENCE, namespaces: ['shop'] },
      { kind: 'entra', tenant: TENANT, audience: 'api://meshwright', identities: [identity, { ...identity, serviceAccount: 'other' }] },
      { kind: 'join' },
    ],
    tokens: tokenVerifier({ now, loopbackHttp: true, entraAuthority: entra.url.slice(0, entra.url.indexOf(`/${TENANT}`)) }),
  });
  return { ...mesh, clock, issuer, entra };
}
export type Shop = Awaited<ReturnType<typeof shop>>;

export const accountToken = ({ issuer }: Shop, rest: Record<string, unknown> = {}) =>
  issuer.token({ sub: 'system:serviceaccount:shop:web', aud: AUDIENCE, ...rest });
export const principalToken = ({ entra }: Shop, uti = 'first') =>
  entra.token({ sub: PRINCIPAL, oid: PRINCIPAL, tid: TENANT, aud: 'api://meshwright', uti });

export const lately = ({ clock }: Pick<Shop, 'clock'>) => ({ now: clock.now, days: 7 });

export async function joinToken({ issuing }: Pick<IssuingMesh, 'issuing'>, lifeMs = 60 * MINUTE, identity = web): Promise<string> {
  const made = await issuing.makeJoinToken(MESH, { identity, lifeMs, actor: 'an operator' });
  if (made.kind !== 'made') throw new Error(made.message);
  return made.token;
}

export async function request(token: LeafRequest['token'], uri?: string): Promise<LeafRequest> {
  return { csr: (await makeKey()).request(uri), node: 'web-1', token };
}
