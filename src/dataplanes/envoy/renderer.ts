/** Plain Envoy as one of the renderers: what all nodes share of one service; what is a node's own is the xds server's to give. */
import type { Renderer } from '../renderer.ts';
import { envoyFidelity } from './fidelity.ts';
import { renderShared } from './render.ts';
import { messageOf } from './resources.ts';

/** Resources as Envoy's JSON has them, each with its `@type`; without endpoints, which register with the xds server. */
export const envoyRenderer: Renderer = {
  fidelity: envoyFidelity,
  render: (plan) => renderShared([plan], []).map(({ type, json }) => ({ '@type': `type.googleapis.com/${messageOf[type]}`, ...json })),
};
