/** Gateway API as one of the renderers; `experimental` decides what is refused. */
import type { Renderer } from '../renderer.ts';
import { gatewayApiFidelity } from './fidelity.ts';
import { renderGatewayApi } from './render.ts';

export const gatewayApiRenderer = (experimental: boolean): Renderer => ({
  fidelity: gatewayApiFidelity(experimental),
  render: renderGatewayApi,
});
