/** Istio as one of the renderers; its root namespace decides what is refused. */
import type { Renderer } from '../renderer.ts';
import { istioFidelityIn } from './fidelity.ts';
import { renderIstio } from './render.ts';

export const istioRenderer = (rootNamespace: string): Renderer => ({ fidelity: istioFidelityIn(rootNamespace), render: renderIstio });
