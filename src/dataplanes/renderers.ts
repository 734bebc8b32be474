/** Which renderer a data plane of a mesh has: the one place that knows all rooms. */
import type { DataPlaneSpec } from '../spec/schema.ts';
import { consulRenderer } from './consul/renderer.ts';
import { envoyRenderer } from './envoy/renderer.ts';
import { gatewayApiRenderer } from './gateway-api/renderer.ts';
import { istioRenderer } from './istio/renderer.ts';
import { linkerdRenderer } from './linkerd/renderer.ts';
import { osmRenderer } from './osm/renderer.ts';
import type { Renderer } from './renderer.ts';

export function rendererOf(dataPlane: DataPlaneSpec): Renderer {
  switch (dataPlane.kind) {
    case 'consul':
      return consulRenderer;
    case 'envoy':
      return envoyRenderer;
    case 'istio':
      return istioRenderer(dataPlane.controlPlaneNamespace);
    case 'gateway-api':
      return gatewayApiRenderer(dataPlane.experimental);
    case 'linkerd':
      return linkerdRenderer;
    case 'osm':
      return osmRenderer;
  }
}
