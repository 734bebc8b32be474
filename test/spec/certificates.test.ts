/** How certificates are written: what a mesh gets that says little, what is refused with which sentence and line, and what editors know. */
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { certificatesSpecSchema } from '../../src/spec/certificates-schema.ts';
import { jsonSchema, knownKeys } from '../../src/spec/json-schema.ts';
import { readSpec } from '../../src/spec/read-spec.ts';
import { MESH, problems, service } from './spec-files.ts';

const DAY = 86_400_000;
const files = (certificates: string) => [{ path: 'mesh.yaml', text: MESH + certificates }, service('name: catalog\nport: 80\n')];

function read(certificates: string) {
  const spec = readSpec(files(certificates));
  if (!spec.ok) throw new Error(JSON.stringify(spec.problems, null, 2));
  return spec.mesh.certificates;
}

/** The problems of a mesh whose `certificates` begin in line 7. */
const refused = (certificates: string) => problems(files(certificates));

const ENTRA = (fields = '') => `certificates:
  attest:
    - entra:
        tenant: 7b0ad1a6-7e5c-4b0e-9e5f-0d1c2b3a4f55
        audience: api://meshwright
        identities: [{ principal: d3c1f0a2-4b5e-4c6d-8e7f-9a0b1c2d3e4f, namespace: edge, serviceAccount: gateway }]
${fields}`;

describe('certificates that are not said', () => {
  it('are not made', () => {
    expect(read('')).toBeUndefined();
  });

  it('have lives of five years, a week and a day, P-256, the mesh in their name, and are given to nobody', () => {
    expect(read('certificates: {}\n')).toEqual({
      name: 'shop-root',
      algorithm: 'P-256',
      rootLifeMs: 1825 * DAY,
      issuerLifeMs: 7 * DAY,
      leafLifeMs: DAY,
      approvals: [],
      attest: [],
    });
  });
});

describe('certificates that are said', () => {
  it('are read with everything there is', () => {
    const all = `certificates:
  vault: https://shop.vault.azure.net
  name: shop-authority
  algorithm: RSA-3072
  rootLife: 730d
  issuerLife: 48h
  leafLife: 12h
  approvals: [pruning, issuing]
  attest:
    - kubernetes: { issuer: https://oidc.example/one }
    - kubernetes: { issuer: https://oidc.example/two, audience: mesh, namespaces: [shop, edge] }
    - join
`;
    expect(read(all)).toEqual({
      vault: 'https://shop.vault.azure.net',
      name: 'shop-authority',
      algorithm: 'RSA-3072',
      rootLifeMs: 730 * DAY,
      issuerLifeMs: 2 * DAY,
      leafLifeMs: DAY / 2,
      approvals: ['issuing', 'pruning'],
      attest: [
        { kind: 'kubernetes', issuer: 'https://oidc.example/one', audience: 'meshwright' },
        { kind: 'kubernetes', issuer: 'https://oidc.example/two', audience: 'mesh', namespaces: ['shop', 'edge'] },
        { kind: 'join' },
      ],
    });
    expect(read(ENTRA())?.attest).toEqual([
      {
        kind: 'entra',
        tenant: '7b0ad1a6-7e5c-4b0e-9e5f-0d1c2b3a4f55',
        audience: 'api://meshwright',
        identities: [{ principal: 'd3c1f0a2-4b5e-4c6d-8e7f-9a0b1c2d3e4f', namespace: 'edge', serviceAccount: 'gateway' }],
      },
    ]);
  });

  it('are the same after they were written down and read again, as YAML and as they are stored', () => {
    const text = ENTRA('    - join\n    - kubernetes: { issuer: https://oidc.example, namespaces: [shop] }\n  approvals: [issuing]\n');
    const spec = read(text);
    expect(read(stringify(parse(text)))).toEqual(spec);
    expect(certificatesSpecSchema.parse(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
  });

  it('may live exactly as long, and as short, as it goes', () => {
    expect(read('certificates: { leafLife: 10s, issuerLife: 40s, rootLife: 1h }\n')).toMatchObject({
      leafLifeMs: 10_000,
      issuerLifeMs: 40_000,
    });
    expect(read('certificates: { rootLife: 28d }\n')?.rootLifeMs).toBe(28 * DAY);
    expect(read('certificates: { rootLife: 7300d }\n')?.rootLifeMs).toBe(7300 * DAY);
  });
});

const A_VAULT = 'give the address of a Key Vault, such as `https://shop.vault.azure.net`';
const VAULT_ALONE = 'give the address of a Key Vault alone, without a path or a name before it';
const WITH_A_UNIT = 'write a duration with its unit, such as `90s`, `5m` or `1h30m`';
const WAYS = 'write `join`, `kubernetes: { issuer: https://… }` or `entra: { tenant, audience, identities }`';
const A_NAME = 'use lower-case letters, digits and `-`, beginning and ending with a letter or digit';

describe('certificates that are refused', () => {
  it.each([
    ['{ vault: http://shop.vault.azure.net }', `.vault: ${A_VAULT}`],
    ['{ vault: shop }', `.vault: ${A_VAULT}`],
    ['{ vault: https://shop.vault.azure.net/keys }', `.vault: ${VAULT_ALONE}`],
    ['{ vault: https://kim:secret@shop.vault.azure.net }', `.vault: ${VAULT_ALONE}`],
    ['{ vault: https://shop.vault.azure.net?sig=secret }', `.vault: ${VAULT_ALONE}`],
    ['{ name: Shop_Root }', `.name: ${A_NAME}`],
    ['{ algorithm: P-521 }', '.algorithm: this must be one of `P-256`, `P-384`, `RSA-3072`'],
    ['{ leafLife: 60 }', `.leafLife: ${WITH_A_UNIT}`],
    ['{ leafLife: 9s }', '.leafLife: give a duration between 10s and 7300d'],
    ['{ leafLife: 2s, issuerLife: 30s }', '.leafLife: give a duration between 10s and 7300d'],
    ['{ issuerLife: 39s, leafLife: 10s }', '.issuerLife: give a duration between 40s and 7300d'],
    ['{ rootLife: 59m }', '.rootLife: give a duration between 1h and 7300d'],
    ['{ rootLife: 7301d }', '.rootLife: give a duration between 1h and 7300d'],
    ['{ issuerLife: 95h }', '.issuerLife: give at least 4d, 4 times the life of a leaf'],
    ['{ rootLife: 27d }', '.rootLife: give at least 28d, 4 times the life of an issuer'],
    ['{ approvals: [issuing, issuing] }', '.approvals[1]: `issuing` is here twice; name it once'],
    ['{ approvals: [prunning] }', '.approvals[0]: this must be one of `issuing`, `pruning`; did you mean `pruning`?'],
    ['{ rootlife: 730d }', '.rootlife: `rootlife` is not a field here; did you mean `rootLife`?'],
    ['{ attest: [token] }', `.attest[0]: ${WAYS}`],
    ['{ attest: [{ saml: {} }] }', `.attest[0]: ${WAYS}`],
    ['{ attest: [{ kubernetes: {} }] }', '.attest[0].kubernetes.issuer: give the https address of the OIDC issuer'],
    [
      '{ attest: [{ kubernetes: { issuer: http://oidc.example } }] }',
      '.attest[0].kubernetes.issuer: give the https address of the OIDC issuer',
    ],
    [
      '{ attest: [{ kubernetes: { issuer: https://oidc.example, namespaces: [] } }] }',
      '.attest[0].kubernetes.namespaces: this list may not be empty',
    ],
    [
      '{ attest: [{ kubernetes: { issuer: https://oidc.example, namespace: [a] } }] }',
      '.attest[0].kubernetes.namespace: `namespace` is not a field here; did you mean `namespaces`?',
    ],
  ])('%s', (written, sentence) => {
    expect(refused(`certificates: ${written}\n`)).toContainEqual(`mesh.yaml:7 certificates${sentence}`);
  });

  it('in the line in which it is wrong, or where the group begins that lacks it', () => {
    expect(refused('certificates:\n  vault: https://shop.vault.azure.net\n  leafLife: 2d\n  rootLife: 20d\n')).toEqual([
      'mesh.yaml:8 certificates.issuerLife: give at least 8d, 4 times the life of a leaf',
      'mesh.yaml:10 certificates.rootLife: give at least 28d, 4 times the life of an issuer',
    ]);
    expect(refused(ENTRA().replace('7b0ad1a6-7e5c-4b0e-9e5f-0d1c2b3a4f55', 'contoso'))).toEqual([
      'mesh.yaml:10 certificates.attest[0].entra.tenant: give the id of the tenant, a UUID',
    ]);
    expect(refused(ENTRA().replace('d3c1f0a2-4b5e-4c6d-8e7f-9a0b1c2d3e4f', 'gateway'))).toEqual([
      'mesh.yaml:12 certificates.attest[0].entra.identities[0].principal: give the object id of the principal, a UUID',
    ]);
    expect(refused(ENTRA().replace('audience: api://meshwright', "audience: ''"))).toEqual([
      'mesh.yaml:11 certificates.attest[0].entra.audience: this may not be empty',
    ]);
  });

  it('without the secret that somebody wrote where none belongs', () => {
    expect(refused('certificates: { vault: https://kim:hunter2@shop.vault.azure.net }\n').join()).not.toContain('hunter2');
  });
});

describe('what editors know', () => {
  const schema = jsonSchema('Mesh');
  const places = z.object({
    properties: z.record(z.string(), z.looseObject({ description: z.string() })),
    additionalProperties: z.literal(false),
  });

  it('are all of the fields, each with a description that has its default', () => {
    const { properties } = places.parse(schema.properties?.certificates);
    expect(Object.keys(properties)).toEqual(['vault', 'name', 'algorithm', 'rootLife', 'issuerLife', 'leafLife', 'approvals', 'attest']);
    const defaults = { name: '<mesh>-root', algorithm: 'P-256', rootLife: '1825d', issuerLife: '7d', leafLife: '1d' };
    for (const [field, value] of Object.entries(defaults)) expect(properties[field]?.description).toContain(value);
    expect(properties.approvals).toMatchObject({ items: { enum: ['issuing', 'pruning'] } });
    expect(schema.required).not.toContain('certificates');
  });

  it('are the three ways to say who a workload is', () => {
    expect(knownKeys(schema, ['certificates', 'attest', 0])).toEqual(['kubernetes', 'entra']);
    expect(knownKeys(schema, ['certificates', 'attest', 0, 'kubernetes'])).toEqual(['issuer', 'audience', 'namespaces']);
    expect(knownKeys(schema, ['certificates', 'attest', 0, 'entra'])).toEqual(['tenant', 'audience', 'identities']);
  });
});
