/** Which identity which token lets its holder have: by the spec, and nothing by default. */
import { describe, expect, it } from 'vitest';
import type { Attestation } from '../../src/spec/certificates-schema.ts';
import { type Attested, identityOf } from '../../src/trust/attestation.ts';

const web = { namespace: 'shop', serviceAccount: 'web' };
const api = { namespace: 'shop', serviceAccount: 'api' };
const TENANT = '7b0ad1a6-7e5c-4b0e-9e5f-0d1c2b3a4f55';
const PRINCIPAL = 'd3c1f0a2-4b5e-4c6d-8e7f-9a0b1c2d3e4f';
const cluster: Attestation = { kind: 'kubernetes', issuer: 'https://one.example', audience: 'mesh' };
const tenant: Attestation = { kind: 'entra', tenant: TENANT, audience: 'api://mesh', identities: [{ principal: PRINCIPAL, ...web }] };
const account: Attested = { kind: 'kubernetes', issuer: 'https://one.example', audiences: ['mesh'], ...web };
const principal: Attested = { kind: 'entra', tenant: TENANT, audiences: ['api://mesh'], principal: PRINCIPAL };
const joined: Attested = { kind: 'join', ...web };
const back: Attested = { kind: 'renewal', ...web };

describe('a token lets its holder be', () => {
  it.each<[string, readonly Attestation[], Attested]>([
    ['its service account', [cluster], account],
    ['its service account, of a namespace that is named', [{ ...cluster, namespaces: ['shop'] }], account],
    ['whom the spec names for its principal', [tenant], principal],
    ['whom it was made for', [{ kind: 'join' }], joined],
    ['who it was before', [{ kind: 'join' }], back],
  ])('%s', (_what, rules, attested) => {
    expect(identityOf(rules, attested, undefined)).toEqual({ kind: 'identity', identity: web });
    expect(identityOf(rules, attested, web)).toEqual({ kind: 'identity', identity: web });
    expect(identityOf(rules, attested, api)).toMatchObject({ kind: 'refused', reason: 'IdentityNotAllowed' });
  });
});

describe('a token is refused', () => {
  it.each<[string, string, readonly Attestation[], Attested]>([
    ['where the spec names nothing', 'AttestationNotAllowed', [], account],
    ['where the spec names other kinds alone', 'AttestationNotAllowed', [tenant, { kind: 'join' }], account],
    ['of a workload that joined, once the spec takes no join tokens', 'AttestationNotAllowed', [cluster], back],
    ['of another namespace', 'IdentityNotAllowed', [{ ...cluster, namespaces: ['bank'] }], account],
    ['of another cluster', 'IdentityNotAllowed', [{ ...cluster, issuer: 'https://two.example' }], account],
    ['of another principal', 'IdentityNotAllowed', [tenant], { ...principal, principal: TENANT }],
    ['of another tenant', 'IdentityNotAllowed', [{ ...tenant, tenant: PRINCIPAL }], principal],
    [
      'for the audience of one rule, by what another of the same cluster allows',
      'IdentityNotAllowed',
      [
        { ...cluster, audience: 'narrow', namespaces: ['bank'] },
        { ...cluster, audience: 'wide' },
      ],
      { ...account, audiences: ['narrow'] },
    ],
  ])('%s', (_what, reason, rules, attested) => {
    expect(identityOf(rules, attested, undefined)).toMatchObject({ kind: 'refused', reason });
  });

  it('that could be several without saying which, and that could be one twice is that one', () => {
    const rule = (...identities: (typeof web)[]): Attestation => ({
      ...tenant,
      identities: identities.map((each) => ({ principal: PRINCIPAL, ...each })),
    });
    expect(identityOf([rule(web, api)], principal, undefined)).toMatchObject({ reason: 'IdentityNotAllowed' });
    expect(identityOf([rule(web, api)], principal, api)).toEqual({ kind: 'identity', identity: api });
    expect(identityOf([rule(web), rule(web)], principal, undefined)).toEqual({ kind: 'identity', identity: web });
  });
});
