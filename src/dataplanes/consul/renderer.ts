/** Consul as one of the renderers. What is rendered means the same whether Consul allows or denies by default. */
import type { Renderer } from '../renderer.ts';
import { consulFidelity } from './fidelity.ts';
import { renderConsul } from './render.ts';

export const consulRenderer: Renderer = { fidelity: consulFidelity, render: renderConsul };
