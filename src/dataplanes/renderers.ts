/** Which renderer a data plane of a mesh has: the one place that knows all rooms. */
import type { DataPlaneSpec } from '../spec/schema.ts';
import { consulRenderer } from './consul/renderer.ts';
import { envoyRenderer } from './envoy/renderer.ts';
import { istioRenderer } from './istio/renderer.ts';
import type { Renderer } from './renderer.ts';

/** `undefined`: nothing is rendered for this kind yet. */
export function rendererOf(dataPlane: DataPlaneSpec): Renderer | undefined {
  switch (dataPlane.kind) {
    case 'consul':
      return consulRenderer;
    case 'envoy':
      return envoyRenderer;
    case 'istio':
      return istioRenderer;
    case 'gateway-api':
    case 'linkerd':
    case 'osm':
      return undefined;
  }
}
