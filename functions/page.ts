/** HTTP: the page. It holds no data; it asks /overview for them. */
import { app } from '@azure/functions';
import { page } from '../src/dashboard/page.ts';

app.http('page', {
  methods: ['GET'],
  // The Functions host serves its own homepage at the empty route unless AzureWebJobsDisableHomepage is set.
  route: '{ignored:maxlength(0)?}',
  authLevel: 'anonymous',
  handler: async () => page(),
});
