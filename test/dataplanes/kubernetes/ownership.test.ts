/** Whose an object is, what is written into it, and when there is nothing to write. */
import { describe, expect, it } from 'vitest';
import { DESTINATION_RULE, RENDERED_KINDS } from '../../../src/dataplanes/istio/kinds.ts';
import { keepingSubsets } from '../../../src/dataplanes/istio/subsets.ts';
import type { KubernetesObject } from '../../../src/dataplanes/kubernetes/cluster.ts';
import { isUpToDate, othersHoldPartOf, ownerOf, revisionOf, stamped } from '../../../src/dataplanes/kubernetes/ownership.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';

const labels = { 'app.kubernetes.io/managed-by': 'meshwright', 'meshwright.dev/mesh': 'shop', 'meshwright.dev/service': 'catalog' };
const rendered = (spec: JsonObject): JsonObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'catalog', namespace: 'shop', labels },
  spec,
});
const rule = { host: 'catalog', subsets: [{ name: 'v1', labels: { version: 'v1' } }] };
const desired = stamped(rendered(rule), 7, RENDERED_KINDS);

/** As an API server gives back what was applied. */
const live = (spec: JsonObject, metadata: object = {}): KubernetesObject => ({
  spec,
  metadata: { uid: 'u', resourceVersion: '3', ...desired.metadata, creationTimestamp: '2026-11-22T14:00:00Z', ...metadata },
});

describe('an object is up to date', () => {
  it('when it holds what was applied last, whatever others put beside it', () => {
    expect(isUpToDate(desired, live(rule))).toBe(true);
    expect(isUpToDate(desired, live({ ...rule, exportTo: ['.'] }, { labels: { ...labels, team: 'a' } }))).toBe(true);
  });

  it.each<[string, KubernetesObject]>([
    ['a value was changed', live({ ...rule, host: 'other' })],
    ['a field was taken out', live({ host: 'catalog' })],
    ['something was put into a list', live({ ...rule, subsets: [...rule.subsets, { name: 'v2', labels: {} }] })],
    ['something was put into an entry of a list', live({ ...rule, subsets: [{ ...rule.subsets[0], trafficPolicy: {} }] })],
    ['a label of ours was taken away', live(rule, { labels: {} })],
    ['it holds another revision', live(rule, { annotations: { ...desired.metadata.annotations, 'meshwright.dev/revision': '6' } })],
  ])('but not when %s', (_what, there) => {
    expect(isUpToDate(desired, there)).toBe(false);
  });

  it('but not when it holds a field that is rendered no longer', () => {
    const before = stamped(rendered({ ...rule, trafficPolicy: { tls: { mode: 'DISABLE' } } }), 7, RENDERED_KINDS);
    const there = live({ ...rule, trafficPolicy: { tls: { mode: 'DISABLE' } } }, { annotations: before.metadata.annotations });
    expect(isUpToDate(desired, there)).toBe(false);
  });
});

describe('an object says', () => {
  it('whose it is and which revision it holds', () => {
    expect(ownerOf(live(rule))).toEqual({ mesh: 'shop', service: 'catalog' });
    expect(ownerOf(live(rule, { labels: { ...labels, 'app.kubernetes.io/managed-by': 'Helm' } }))).toBeUndefined();
    expect([revisionOf(live(rule)), revisionOf(live(rule, { annotations: {} }))]).toEqual([7, 0]);
  });

  it('whether others hold part of what it is about', () => {
    const field = (manager: string, ...fields: readonly string[]) => ({
      manager,
      operation: 'Apply',
      fieldsV1: Object.fromEntries(fields.map((name) => [name, {}])),
    });
    const managedFields = (...all: readonly object[]) => live(rule, { managedFields: all });
    expect(othersHoldPartOf(managedFields(field('meshwright', 'f:metadata', 'f:spec')))).toBe(false);
    expect(
      othersHoldPartOf(managedFields(field('meshwright', 'f:spec'), field('istiod', 'f:status'), field('kubectl', 'f:metadata'))),
    ).toBe(false);
    expect(othersHoldPartOf(managedFields(field('meshwright', 'f:spec'), field('argocd', 'f:spec')))).toBe(true);
  });

  it('what nobody listed it as: a renderer and its kinds must agree', () => {
    expect(() => stamped({ ...rendered(rule), kind: 'Sidecar' }, 1, RENDERED_KINDS)).toThrow(
      'Sidecar of networking.istio.io/v1 is rendered',
    );
  });
});

describe('a rule that is narrowed', () => {
  it('keeps the subsets that it had, as they were, behind those it gets', () => {
    const old = { name: 'v0', labels: { version: 'v0' }, trafficPolicy: { tls: { mode: 'DISABLE' } } };
    const { content } = keepingSubsets(desired, live({ host: 'catalog', subsets: [old, { name: 'v1', labels: { version: 'old' } }] }));
    expect(content).toEqual({ spec: { host: 'catalog', subsets: [...rule.subsets, old] } });
    expect(keepingSubsets(desired, live(rule))).toBe(desired);
    expect(keepingSubsets({ ...desired, kind: { ...DESTINATION_RULE } }, live({ host: 'x', subsets: [old] })).content).toEqual({
      spec: rule,
    });
  });
});
