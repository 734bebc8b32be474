/** Which live routes are written before anything else, on every mesh of Kubernetes: only what leads away from a version, and to what is named. */
import { describe, expect, it } from 'vitest';
import { gatewayApiRenderer } from '../../../src/dataplanes/gateway-api/renderer.ts';
import { HTTP_ROUTE, HTTP_ROUTE_SPLIT } from '../../../src/dataplanes/gateway-api/route-status.ts';
import { SPLITS, VIRTUAL_SERVICE } from '../../../src/dataplanes/istio/kinds.ts';
import { istioRenderer } from '../../../src/dataplanes/istio/renderer.ts';
import type { DesiredObject, KubernetesObject, ResourceKind } from '../../../src/dataplanes/kubernetes/cluster.ts';
import { stamped } from '../../../src/dataplanes/kubernetes/ownership.ts';
import { type Split, splitAlone, takenBack } from '../../../src/dataplanes/kubernetes/way-back.ts';
import { linkerdRenderer } from '../../../src/dataplanes/linkerd/renderer.ts';
import { TRAFFIC_SPLIT } from '../../../src/dataplanes/osm/kinds.ts';
import { osmRenderer } from '../../../src/dataplanes/osm/renderer.ts';
import type { Renderer } from '../../../src/dataplanes/renderer.ts';
import type { PlannedRoute, ServicePlan } from '../../../src/plan/plan.ts';

type Weights = Readonly<Record<string, number>>;
const versions = ['v1', 'v2', 'v3'];

const route = (weights: Weights, more: Partial<PlannedRoute> = {}): PlannedRoute => ({
  name: 'default',
  match: {},
  split: Object.entries(weights).map(([version, weight]) => ({ version, weight })),
  ...more,
});
const planOf = (...routes: readonly PlannedRoute[]): ServicePlan => ({
  mesh: 'shop',
  service: 'catalog',
  namespace: 'shop',
  port: 8080,
  protocol: 'http',
  selector: { app: 'catalog' },
  versions: versions.map((name) => ({ name, labels: { version: name } })),
  routes,
  dataPlanes: ['west'],
});

const TRAFFIC_SPLITS: readonly Split[] = [{ kind: TRAFFIC_SPLIT, destinations: 'backends' }];
const meshes: readonly [string, Renderer, ResourceKind, readonly Split[]][] = [
  ['Istio', istioRenderer('istio-system'), VIRTUAL_SERVICE, SPLITS],
  ['Gateway API', gatewayApiRenderer(true), HTTP_ROUTE, [HTTP_ROUTE_SPLIT]],
  ['Linkerd', linkerdRenderer, HTTP_ROUTE, [HTTP_ROUTE_SPLIT]],
  ['OSM', osmRenderer, TRAFFIC_SPLIT, TRAFFIC_SPLITS],
];

describe.each(meshes)('requests that are taken back first on %s', (_mesh, renderer, kind, splits) => {
  const desiredOf = (plan: ServicePlan): DesiredObject => {
    const object = renderer.render(plan).find((each) => each.kind === kind.kind && each.apiVersion === kind.apiVersion);
    if (!object) throw new Error(`no ${kind.kind}`);
    return stamped(object, 2, [kind]);
  };
  const liveOf = (plan: ServicePlan, more: object = {}): KubernetesObject => {
    const { metadata, content } = desiredOf(plan);
    return { ...content, metadata: { uid: 'u', resourceVersion: '3', ...metadata, ...more } };
  };
  const from = (weights: Weights, to: Weights) => takenBack(desiredOf(planOf(route(to))), liveOf(planOf(route(weights))), splits);

  it('are all that is written, as it is to be, where nothing else changes', () => {
    expect(from({ v1: 75, v2: 25 }, { v1: 100, v2: 0 })).toEqual(desiredOf(planOf(route({ v1: 100, v2: 0 }))));
    expect(from({ v1: 0, v2: 100 }, { v1: 100, v2: 0 })).toEqual(desiredOf(planOf(route({ v1: 100, v2: 0 }))));
  });

  it('are none where every version keeps some, or one gets some that the routes do not name', () => {
    expect(from({ v1: 75, v2: 25 }, { v1: 50, v2: 50 })).toBeUndefined();
    expect(from({ v1: 75, v2: 25 }, { v1: 75, v2: 25 })).toBeUndefined();
    expect(from({ v1: 75, v2: 25 }, { v1: 50, v3: 50 })).toBeUndefined();
  });

  it('leave out what is named nowhere yet and gets none', () => {
    const { content } = desiredOf(planOf(route({ v1: 100 })));
    expect(from({ v1: 75, v2: 25 }, { v1: 100, v3: 0 })?.content).toEqual(content);
  });

  it('are none of an object that is not ours', () => {
    const live = liveOf(planOf(route({ v1: 75, v2: 25 })), { labels: {} });
    expect(takenBack(desiredOf(planOf(route({ v1: 100, v2: 0 }))), live, splits)).toBeUndefined();
  });

  it('need nothing of a plan but its split', () => {
    const whole = planOf(route({ v1: 100, v2: 0 }, { timeoutMs: 3_000 }));
    const taken = takenBack(desiredOf(splitAlone(whole)), liveOf(planOf(route({ v1: 75, v2: 25 }))), splits);
    expect(taken?.content).toEqual(desiredOf(planOf(route({ v1: 100, v2: 0 }))).content);
  });
});

describe('requests that are taken back first of several routes', () => {
  const object = (renderer: Renderer, kind: ResourceKind, plan: ServicePlan): DesiredObject => {
    const found = renderer.render(plan).find((each) => each.kind === kind.kind);
    if (!found) throw new Error(`no ${kind.kind}`);
    return stamped(found, 2, [kind]);
  };
  const beta = (weights: Weights) => route(weights, { name: 'beta', match: { headers: [{ name: 'x-beta', exact: '1' }] } });
  const several: readonly [string, Renderer, ResourceKind, readonly Split[]][] = meshes
    .filter(([mesh]) => mesh !== 'OSM')
    .map((each) => [...each]);

  it.each(several)('leave a pinned one alone on %s', (_mesh, renderer, kind, splits) => {
    const [before, after] = [planOf(beta({ v2: 100 }), route({ v1: 75, v2: 25 })), planOf(beta({ v2: 100 }), route({ v1: 100, v2: 0 }))];
    const { metadata, content } = object(renderer, kind, before);
    const live: KubernetesObject = { ...content, metadata: { uid: 'u', resourceVersion: '3', ...metadata } };
    expect(takenBack(object(renderer, kind, after), live, splits)).toEqual(object(renderer, kind, after));
  });

  it.each(several)('go by the last where there are others than before on %s', (_mesh, renderer, kind, splits) => {
    const before = planOf(beta({ v1: 75, v2: 25 }), route({ v1: 75, v2: 25 }));
    const { metadata, content } = object(renderer, kind, before);
    const live: KubernetesObject = { ...content, metadata: { uid: 'u', resourceVersion: '3', ...metadata } };
    const taken = takenBack(object(renderer, kind, planOf(route({ v1: 100, v2: 0 }))), live, splits);
    expect(taken?.content).toEqual(object(renderer, kind, planOf(beta({ v1: 100, v2: 0 }), route({ v1: 100, v2: 0 }))).content);
  });
});
