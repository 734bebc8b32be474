/** Objects that no mesh would have, from whoever wrote the file: they are said to be unreadable, and the others are imported. */
import { describe, expect, it } from 'vitest';
import { objectsIn, readObjects } from '../../src/import/objects.ts';
import { importedObjects } from './read-case.ts';

const nested = (levels: number): unknown => Array.from({ length: levels }).reduce((value) => [value], 1);
const object = (name: string, spec: unknown) => ({ apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: { name }, spec });

describe('an object', () => {
  it.each([
    ['is nested too deeply', object('deep', { inside: nested(5_000) }), 'this is nested too deeply'],
    ['holds half a character', object('half', { hosts: ['\ud800'] }), 'it holds half a character'],
    ['has it in a key', object('key', { '\udfff': 1 }), 'it holds half a character'],
  ])('that %s is said to be unreadable', (_what, value, message) => {
    expect(objectsIn('here', value)).toEqual({ objects: [], unreadable: [{ file: 'here', message: expect.stringContaining(message) }] });
  });

  it('leaves those beside it as they are', () => {
    const files = [
      { path: 'a.yaml', text: '['.repeat(100_000) },
      { path: 'b.yaml', text: JSON.stringify(object('fine', { hosts: ['a.example'] })) },
    ];
    const { objects, unreadable } = readObjects(files);
    expect(objects).toMatchObject([{ name: 'fine' }]);
    expect(unreadable).toEqual([{ file: 'a.yaml', message: 'this is nested too deeply' }]);
  });
});

describe('what a spec does not take', () => {
  it('goes with its service where no service can be without it', () => {
    const spec = {
      parentRefs: [{ group: '', kind: 'Service', name: 'catalog', port: 70_000 }],
      rules: [{ backendRefs: [{ name: 'catalog', port: 80 }] }],
    };
    const route = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name: 'catalog', namespace: 'shop' }, spec };
    const imported = importedObjects([route]);
    expect(imported.services).toEqual([]);
    expect(imported.findings).toContainEqual(expect.objectContaining({ outcome: 'not-imported', into: 'port' }));
  });

  it('goes with what needs it', () => {
    const ports = [{ number: 443, name: 'tls', protocol: 'TLS' }];
    const entry = object('payments', { hosts: ['NaN'], location: 'MESH_EXTERNAL', resolution: 'DNS', ports });
    const route = {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'catalog', namespace: 'default' },
      spec: { hosts: ['catalog'], http: [{ route: [{ destination: { host: 'catalog' } }] }] },
    };
    const imported = importedObjects([entry, route]);
    expect(imported.services).toMatchObject([{ name: 'catalog' }]);
    expect(imported.services[0]).not.toHaveProperty('egress');
    expect(imported.findings).toContainEqual(
      expect.objectContaining({ outcome: 'not-imported', message: expect.stringContaining('a spec does not take it') }),
    );
  });
});
