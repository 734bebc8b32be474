/** Open Service Mesh as one of the renderers. */
import type { Renderer } from '../renderer.ts';
import { osmFidelity } from './fidelity.ts';
import { renderOsm } from './render.ts';

export const osmRenderer: Renderer = { fidelity: osmFidelity, render: renderOsm };
