/** HTTP: the page. It holds no data; it asks /overview for them, as whoever has signed in. */
import { ROUTES } from '../src/api/routes.ts';
import { page } from '../src/dashboard/page.ts';
import { theInstallation } from '../src/wiring.ts';
import { serve } from './http/route.ts';

// The Functions host serves its own homepage at the empty route unless AzureWebJobsDisableHomepage is set.
serve(ROUTES.page, async () => page((await theInstallation()).authentication.signIn));
