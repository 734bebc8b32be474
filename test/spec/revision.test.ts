import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readSpec } from '../../src/spec/read-spec.ts';
import { revision } from '../../src/spec/revision.ts';
import { meshSpecSchema, serviceSpecSchema } from '../../src/spec/schema.ts';
import { serviceSpecs } from './arbitraries.ts';

const mesh = meshSpecSchema.parse({ name: 'shop', dataPlanes: [{ name: 'vms', kind: 'envoy' }], teams: [], channels: {} });

function read(service: string) {
  const spec = readSpec([
    { path: 'mesh.yaml', text: 'apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ndataPlanes: [{ name: vms, kind: envoy }]\n' },
    { path: 'catalog.yaml', text: `apiVersion: meshwright.dev/v1\nkind: Service\n${service}` },
  ]);
  if (!spec.ok) throw new Error(JSON.stringify(spec.problems));
  return revision(spec.mesh, spec.services);
}

describe('revision', () => {
  it('is a SHA-256 of everything, of the mesh and of each service', () => {
    const hash = expect.stringMatching(/^[0-9a-f]{64}$/);
    expect(read('name: catalog\nport: 80\n')).toEqual({ revision: hash, mesh: hash, services: { catalog: hash } });
  });

  it('does not see comments, the order of keys, or longhand', () => {
    const short = read('name: catalog\nport: 80\nrollout: canary\nretries: 2\n');
    const long =
      'retries: { on: [refused-stream, connect-failure], attempts: 2 }\nrollout: { steps: [{ weight: 5, hold: 300s }, 25, 50] }\n# a comment\nport: 80\nname: catalog\nprotocol: http\n';
    expect(read(long)).toEqual(short);
  });

  it('changes with any field', () => {
    expect(read('name: catalog\nport: 81\n').revision).not.toBe(read('name: catalog\nport: 80\n').revision);
  });

  it('does not depend on the order of services, and changes only the hash of the one that changed', () => {
    fc.assert(
      fc.property(fc.uniqueArray(serviceSpecs, { minLength: 2, maxLength: 4, selector: ({ name }) => name }), (services) => {
        const before = revision(mesh, services);
        expect(revision(mesh, services.toReversed())).toEqual(before);
        const [first, ...rest] = services;
        if (first === undefined) return;
        const after = revision(mesh, [{ ...first, port: first.port === 1 ? 2 : 1 }, ...rest]);
        expect(after.revision).not.toBe(before.revision);
        for (const { name } of services) expect(after.services[name] === before.services[name]).toBe(name !== first.name);
      }),
    );
  });

  it('survives storage: a stored spec reads back as itself', () => {
    fc.assert(
      fc.property(serviceSpecs, (spec) => {
        expect(serviceSpecSchema.parse(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
      }),
    );
    expect(serviceSpecSchema.safeParse({ ...fc.sample(serviceSpecs, 1)[0], rollouts: 1 }).success).toBe(false);
  });
});
