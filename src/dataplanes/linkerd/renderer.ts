/** Linkerd as one of the renderers. */
import type { Renderer } from '../renderer.ts';
import { linkerdFidelity } from './fidelity.ts';
import { renderLinkerd } from './render.ts';

export const linkerdRenderer: Renderer = { fidelity: linkerdFidelity, render: renderLinkerd };
