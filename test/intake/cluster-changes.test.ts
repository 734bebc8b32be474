/** What events say of clusters: which changes there were, and which data planes are reached by them. */
import { describe, expect, it } from 'vitest';
import { type ClusterChange, dataPlanesIn, readClusterChange } from '../../src/intake/cluster-changes.ts';
import { readEvent } from '../../src/intake/delivery.ts';
import { readSpec } from '../../src/spec/read-spec.ts';
import { payload } from './payload.ts';

const WEST =
  '/subscriptions/0c6f1d6e-3b0b-4a7e-9d3c-7a1f0c2b9e11/resourcegroups/shop/providers/microsoft.containerservice/managedclusters/west';

/** Of the event as Azure sends it, with these texts in place of those. */
function read(...changes: readonly (readonly [string, string])[]): ClusterChange | undefined {
  const text = changes.reduce((all, [from, to]) => all.replaceAll(from, to), JSON.stringify(payload('cluster-mesh-upgraded.event-grid')));
  const reading = readEvent(JSON.parse(text), 0);
  if (!reading.ok) throw new Error(reading.message);
  return readClusterChange(reading.event);
}

describe('a change of a cluster', () => {
  it('is one that was written, by its id in one case', () => {
    expect(read()).toEqual({ aks: WEST, operation: 'Microsoft.ContainerService/managedClusters/write' });
  });

  it.each<[string, readonly (readonly [string, string])[], string]>([
    [
      'an action on it',
      [
        ['ResourceWrite', 'ResourceAction'],
        ['managedClusters/write', 'managedClusters/runCommand/action'],
      ],
      WEST,
    ],
    ['of a part of it', [['managedClusters/west', 'managedClusters/west/agentPools/blue']], WEST],
    ['of its mesh', [['managedClusters/west', 'managedClusters/west/meshMemberships/m']], WEST],
    ['of another one whose name begins alike', [['managedClusters/west', 'managedClusters/west-2']], `${WEST}-2`],
  ])('may be %s', (_, changes, aks) => {
    expect(read(...changes)?.aks).toBe(aks);
  });

  it.each<[string, readonly (readonly [string, string])[]]>([
    ['what failed', [['WriteSuccess', 'WriteFailure']]],
    ['what was deleted', [['WriteSuccess', 'DeleteSuccess']]],
    ['what is no cluster', [['Microsoft.ContainerService/managedClusters', 'Microsoft.App/containerApps']]],
    [
      'whose credentials were asked for, as we do ourselves',
      [
        ['ResourceWrite', 'ResourceAction'],
        ['managedClusters/write', 'managedClusters/listClusterUserCredential/action'],
      ],
    ],
  ])('is not %s', (_, changes) => {
    expect(read(...changes)).toBeUndefined();
  });

  it('is one of the data planes that are reached by it', () => {
    const lines = [
      `{ name: west, kind: istio, cluster: { aks: '${WEST.replace('resourcegroups', 'resourceGroups').replace('microsoft', 'Microsoft')}' } }`,
      `{ name: other, kind: istio, cluster: { aks: '${WEST}-2' } }`,
      '{ name: far, kind: istio, cluster: { kubeconfigSetting: WEST } }',
      '{ name: vms, kind: envoy }',
    ];
    const text = `apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ndataPlanes:\n${lines.map((line) => `  - ${line}\n`).join('')}`;
    const spec = readSpec([{ path: 'mesh.yaml', text }]);
    if (!spec.ok) throw new Error(JSON.stringify(spec.problems));
    const change = read();
    expect(change && dataPlanesIn(change, [{ spec: spec.mesh }])).toEqual([{ mesh: 'shop', dataPlane: 'west' }]);
  });
});
