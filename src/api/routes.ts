/**
 * Every HTTP route there is: nothing is served that is not in this table, and functions, access, docs/access.md and the OpenAPI document are
 * made from it. What each answers is in `answers.ts`, which no function needs to load.
 */
import { archiveRoutes } from './archive-routes.ts';
import { deliveryRoutes, installationRoutes } from './installation-routes.ts';
import { meshRoutes } from './mesh-routes.ts';
import { serviceRoutes } from './service-routes.ts';

export const ROUTES = { ...installationRoutes, ...deliveryRoutes, ...serviceRoutes, ...meshRoutes, ...archiveRoutes };
export type RouteName = keyof typeof ROUTES;
