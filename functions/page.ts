/** HTTP: the page. It holds no data; it asks /overview for them. */
import { ROUTES } from '../src/api/routes.ts';
import { page } from '../src/dashboard/page.ts';
import { serve } from './http/route.ts';

// The Functions host serves its own homepage at the empty route unless AzureWebJobsDisableHomepage is set.
serve(ROUTES.page, async () => page());
