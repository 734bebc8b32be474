/** What others have put into an object beside what is rendered, read from its managed fields. */
import { describe, expect, it } from 'vitest';
import { besideMessage, fieldsBeside } from '../../../src/dataplanes/kubernetes/beside.ts';
import type { DesiredObject, KubernetesObject } from '../../../src/dataplanes/kubernetes/cluster.ts';
import { SERVICES } from '../../../src/dataplanes/kubernetes/kinds.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';

const metadata = { name: 'catalog-v1', namespace: 'shop', labels: {}, annotations: {} };
const spec = { selector: { app: 'catalog' }, ports: [{ port: 80, protocol: 'TCP', targetPort: 8080 }] };
const desired: DesiredObject = { kind: SERVICES, metadata, content: { spec } };

/** With what `manager` owns, and when it wrote that. */
const owned = (manager: string, fields: JsonObject, time = '2026-11-22T14:00:00Z', operation = 'Update') => ({
  manager,
  operation,
  time,
  fieldsV1: { 'f:spec': fields },
});
const live = (more: JsonObject, ...managedFields: readonly object[]): KubernetesObject => ({
  spec: { ...spec, ...more },
  metadata: { ...metadata, uid: 'u', resourceVersion: '3', managedFields },
});
const pathsOf = (object: KubernetesObject): readonly string[] => fieldsBeside(desired, object).map(({ path }) => path.join('.'));

describe('what others put into an object', () => {
  it('is each field that we do not render, where it is, with its value and whoever wrote it last', () => {
    const both = live(
      { sessionAffinity: 'ClientIP' },
      owned('helm', { 'f:sessionAffinity': {} }, '2026-11-22T13:00:00Z', 'Apply'),
      owned('kubectl-edit', { 'f:sessionAffinity': {} }),
    );
    const by = { manager: 'kubectl-edit', operation: 'Update', at: Date.parse('2026-11-22T14:00:00Z') };
    expect(fieldsBeside(desired, both)).toEqual([{ path: ['spec', 'sessionAffinity'], value: 'ClientIP', by }]);
  });

  it("is nothing in an object of which we write metadata alone: that is its owner's", () => {
    const annotated = { ...desired, content: {} };
    expect(fieldsBeside(annotated, live({}, owned('helm', { 'f:selector': {}, 'f:ports': {} })))).toEqual([]);
  });

  it('is a member more of what we render, and an item more of a list that has keys', () => {
    const selector = { app: 'catalog', track: 'beta' };
    expect(pathsOf(live({ selector }, owned('helm', { 'f:selector': { '.': {}, 'f:app': {}, 'f:track': {} } })))).toEqual([
      'spec.selector.track',
    ]);
    const ports = [spec.ports[0] ?? {}, { port: 81, protocol: 'TCP', name: 'more' }];
    const items = {
      'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:port': {}, 'f:targetPort': {} },
      'k:{"port":81,"protocol":"TCP"}': { '.': {}, 'f:port': {} },
    };
    expect(pathsOf(live({ ports }, owned('helm', { 'f:ports': items })))).toEqual(['spec.ports.1']);
    const inside = live(
      { ports: [{ ...spec.ports[0], nodePort: 30_000 }] },
      owned('helm', { 'f:ports': { 'k:{"port":80}': { 'f:nodePort': {} } } }),
    );
    expect(pathsOf(inside)).toEqual(['spec.ports.0.nodePort']);
  });

  it.each<[string, KubernetesObject]>([
    ['is ours', live({ sessionAffinity: 'None' }, owned('meshwright', { 'f:sessionAffinity': {} }, undefined, 'Apply'))],
    ['nobody owns, as what the server defaults', live({ clusterIP: '10.0.0.1' })],
    [
      'others own with us, or in place of us, which the server tells',
      live({}, owned('helm', { 'f:selector': { 'f:app': {} }, 'f:ports': {} })),
    ],
    ['is gone', live({}, owned('helm', { 'f:sessionAffinity': {} }))],
    [
      'is metadata or status',
      live({}, { manager: 'helm', operation: 'Update', fieldsV1: { 'f:metadata': { 'f:x': {} }, 'f:status': { 'f:y': {} } } }),
    ],
  ])('is not what %s', (_what, object) => {
    expect(pathsOf(object)).toEqual([]);
  });

  it('is told by manager, field and object, and what to do', () => {
    const object = live({ sessionAffinity: 'ClientIP' }, owned('helm', { 'f:sessionAffinity': {} }));
    expect(besideMessage(desired, fieldsBeside(desired, object))).toBe(
      'helm has put spec.sessionAffinity into Service shop/catalog-v1, beside what meshwright writes there, and what that means is no longer what the spec says. Have it taken out, or tell meshwright to take it out (`takeOver: true` of the data plane).',
    );
  });
});
