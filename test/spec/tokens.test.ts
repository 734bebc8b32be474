/** Tokens that a service asks for: a tenant of Entra ID in short, any other issuer by its name and where its keys are. */
import { describe, expect, it } from 'vitest';
import { planService } from '../../src/plan/plan-service.ts';
import { servicePlanSchema } from '../../src/plan/stored-plan.ts';
import { serviceSpecSchema } from '../../src/spec/schema.ts';
import { good, problems, service, wrong } from './spec-files.ts';

const rest = 'name: catalog\nport: 80\nstable: v1\n';
const TENANT = '7B0AD1A6-7e5c-4b0e-9e5f-0d1c2b3a4f55';
const issuer = 'issuer: https://issuer.example/, jwks: "https://keys.example:8443/keys?app=1"';

describe('tokens', () => {
  it('of a tenant of Entra ID are those of version 2.0, with its own issuer and keys', () => {
    expect(good(`${rest}tokens: { entra: { tenant: ${TENANT}, audience: "api://catalog" } }\n`).tokens).toEqual({
      issuer: 'https://login.microsoftonline.com/7b0ad1a6-7e5c-4b0e-9e5f-0d1c2b3a4f55/v2.0',
      audience: 'api://catalog',
      jwks: 'https://login.microsoftonline.com/7b0ad1a6-7e5c-4b0e-9e5f-0d1c2b3a4f55/discovery/v2.0/keys',
    });
  });

  it('of another issuer are by its name, letter by letter, and its keys; roles come sorted', () => {
    expect(good(`${rest}tokens: { ${issuer}, audience: a, roles: [Write, Read] }\n`).tokens).toEqual({
      issuer: 'https://issuer.example/',
      audience: 'a',
      jwks: 'https://keys.example:8443/keys?app=1',
      roles: ['Read', 'Write'],
    });
  });

  it('are part of the spec that is stored, and of the plan', () => {
    const spec = good(`${rest}tokens: { ${issuer}, audience: a }\n`);
    expect(serviceSpecSchema.parse(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
    const plan = planService('shop', spec, { split: [{ version: 'v1', weight: 100 }] });
    expect(plan.tokens).toEqual(spec.tokens);
    expect(servicePlanSchema.parse(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
    expect(good(rest)).not.toHaveProperty('tokens');
  });

  it.each([
    ['{ entra: { tenant: common, audience: a } }', 'tokens.entra.tenant: give the id of the tenant, a UUID'],
    [`{ entra: { tenant: ${TENANT}, audience: "a b" } }`, 'tokens.entra.audience: give it without blanks'],
    [`{ entra: { tenant: ${TENANT}, audience: a, roles: [Read, Read] } }`, 'name each role once'],
    ['{ issuer: https://issuer.example/, audience: a }', 'tokens'],
    ['{ issuer: "http://issuer.example", jwks: "https://a.example/k", audience: a }', 'tokens.issuer: give the https address'],
    ['{ issuer: https://a.example, jwks: "http://a.example/k", audience: a }', 'tokens.jwks: give an https address of a host with a name'],
    ['{ issuer: https://a.example, jwks: "https://[::1]/k", audience: a }', 'tokens.jwks: give an https address of a host with a name'],
    ['{ issuer: https://a.example, jwks: "https://127.1/k", audience: a }', 'tokens.jwks: give an https address of a host with a name'],
    ['{ issuer: https://a.example, jwks: "https://a@b.example/k", audience: a }', 'tokens.jwks: give it without a user'],
    ['{}', 'tokens'],
  ])('are refused as %s', (written, message) => {
    const found = wrong(`${rest}tokens: ${written}\n`);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(message);
  });

  it('need a version that serves: until one is known nothing is written, and nobody would be asked', () => {
    expect(wrong(`name: catalog\nport: 80\ntokens: { ${issuer}, audience: a }\n`)).toEqual([
      expect.stringContaining('stable: `tokens` needs it: until a version is known nothing is written, so nobody would be asked for one'),
    ]);
  });

  it('are the same for services that select the same workloads', () => {
    const mesh = 'apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ndataPlanes:\n  - { name: aks, kind: istio }\n';
    const one = (name: string, audience: string) => ({
      ...service(`name: ${name}\nport: 80\nstable: v1\nselector: { app: shop }\ntokens: { ${issuer}, audience: ${audience} }\n`),
      path: `${name}.yaml`,
    });
    expect(problems([{ path: 'mesh.yaml', text: mesh }, one('a', 'x'), one('b', 'x')])).toEqual([]);
    expect(problems([{ path: 'mesh.yaml', text: mesh }, one('a', 'x'), one('b', 'y')])).toEqual([
      expect.stringContaining('`a` selects the same workloads'),
    ]);
  });
});
