/**
 * The one place that registers HTTP functions: a route of the table with what answers it. `anonymous` is what the host lets in; who may come
 * in is checked at our own door, which knows roles, meshes and teams, and is the same on every host.
 */
import { app } from '@azure/functions';
import { answer, type Use } from '../../src/api/door.ts';
import type { Route } from '../../src/api/route.ts';

export function serve<P, Q, B>(route: Route<P, Q, B>, use: Use<P, Q, B>): void {
  const { name, method, path } = route;
  app.http(name, { methods: [method], route: path, authLevel: 'anonymous', handler: (request) => answer(route, request, use) });
}
