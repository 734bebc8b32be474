/**
 * Histories in which a node was once taken to hold what it had let go: it stopped asking for it, was sent it all the same, asked again, and
 * lost its stream before any of that was heard. Chance finds one of them in some thousand.
 */
import type { Mesh, Service } from './modelled-mesh.ts';

/** `p`: the next mesh is published; `r`: the node reads, `h`: the server hears, `x`: the stream is lost. */
interface Found {
  readonly steps: string;
  readonly meshes: readonly Mesh[];
  readonly last: Mesh;
}

const service = (weights: Service['weights'], secured: boolean, badRoutes = true): Service => {
  return { weights, revisions: [0, 0, 0], badVersions: [], badRoutes, secured };
};
const mesh = (services: Mesh['services'] = {}): Mesh => ({ services, inbound: false, bundle: 0 });

export const foundHistories: readonly Found[] = [
  {
    steps: 'p h r x p h p h h r h r h r r h r x h h h h',
    meshes: [mesh({ a: service({ v1: 0 }, true) }), mesh(), mesh({ a: service({ v1: 100 }, false, false) })],
    last: mesh(),
  },
  {
    steps: 'h p p r x h h h r h h r r p r r x h h r x',
    meshes: [mesh({ a: { ...service({ v3: 0 }, true), badVersions: ['v1'] } }), mesh(), mesh({ c: service({ v1: 0 }, true) })],
    last: mesh({ c: service({ v1: 10 }, true) }),
  },
  {
    steps: 'p h h r h r h h h r p h r r h p r x h r h r x',
    meshes: [mesh({ a: service({ v1: 10 }, true) }), mesh({ c: service({ v2: 0, v1: 0 }, false) }), mesh({ c: service({ v2: 0 }, true) })],
    last: mesh({ c: service({ v2: 100, v1: 0 }, true) }),
  },
];
