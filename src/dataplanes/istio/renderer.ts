/** Istio as one of the renderers. */
import type { Renderer } from '../renderer.ts';
import { istioFidelity } from './fidelity.ts';
import { renderIstio } from './render.ts';

export const istioRenderer: Renderer = { fidelity: istioFidelity, render: renderIstio };
