/** Two data planes of a mesh in one cluster: refused where they would write the same objects, at the later one of the two. */
import { describe, expect, it } from 'vitest';
import { HEADER, problems, service } from './spec-files.ts';

const AKS = '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/west';
const said = (...dataPlanes: readonly string[]): readonly string[] => {
  const text = `${HEADER}kind: Mesh\nname: shop\ndataPlanes:\n${dataPlanes.map((each) => `  - { ${each} }\n`).join('')}`;
  return problems([{ path: 'mesh.yaml', text }, service('name: catalog\nport: 80\n')]);
};

describe('two data planes in one cluster', () => {
  it.each([
    ['osm', 'gateway-api', 'writes the same Services'],
    ['gateway-api', 'linkerd', 'writes the same Services'],
    ['istio', 'istio', 'writes the same objects'],
  ])('are refused where both write Services, or are of one kind: %s and %s', (first, second, what) => {
    const found = said(
      `name: one, kind: ${first}, cluster: { aks: ${AKS} }`,
      `name: two, kind: ${second}, cluster: { aks: ${AKS.toUpperCase()} }`,
    );
    expect(found).toEqual([
      expect.stringMatching(new RegExp(`^mesh.yaml:6 dataPlanes\\[1\\]: \`one\` \\(${first}\\) .*${what}.*name one of them only$`)),
    ]);
  });

  it('are known by the app setting and the context too', () => {
    const [west, east, other] = ['context: west', 'context: east', ''].map((context) => `cluster: { kubeconfigSetting: KUBE, ${context} }`);
    expect(said(`name: one, kind: osm, ${west}`, `name: two, kind: linkerd, ${west}`)).toHaveLength(1);
    expect(said(`name: one, kind: osm, ${other}`, `name: two, kind: osm, ${other}`)).toHaveLength(1);
    expect(said(`name: one, kind: osm, ${west}`, `name: two, kind: linkerd, ${east}`, `name: three, kind: linkerd, ${other}`)).toEqual([]);
  });

  it('are no matter where they write nothing in common, or nobody says where they are', () => {
    const here = `cluster: { aks: ${AKS} }`;
    for (const kind of ['osm', 'linkerd', 'gateway-api'])
      expect(said(`name: one, kind: ${kind}, ${here}`, `name: two, kind: istio, ${here}`)).toEqual([]);
    expect(said('name: one, kind: osm', 'name: two, kind: osm', 'name: three, kind: envoy', 'name: four, kind: envoy')).toEqual([]);
  });
});
