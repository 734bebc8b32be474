/**
 * How telemetry is written, for a mesh or one of its services. Each switch is off until asked for, and says what it costs; a
 * service has the mesh's, switch by switch, unless it says otherwise.
 */
import { z } from 'zod';

const percent = z.int().min(0).max(100);

const ACCESS_LOG_COST =
  'A line for each request, or for each one that failed (none). It costs about half a kilobyte a request and proxy: 1,000 requests a second are some 40 GB a day in the workspace that takes them';
const TRACING_COST =
  'The percentage of requests that are traced, of those nobody decided on before (0). It costs about a kilobyte for each proxy that a traced request passes: 1 % of 1,000 requests a second through two proxies is some 2 GB a day';

export const authoredTelemetrySchema = z.strictObject({
  accessLog: z.enum(['all', 'errors', 'none']).optional().describe(ACCESS_LOG_COST),
  tracing: z
    .union([percent, z.strictObject({ percent })], { error: 'give a percentage of the requests, such as `1` or `{ percent: 1 }`' })
    .transform((written) => (typeof written === 'number' ? written : written.percent))
    .optional()
    .describe(TRACING_COST),
});

/** `none` and 0 switch off what the mesh has on. */
export type WrittenTelemetry = z.output<typeof authoredTelemetrySchema>;
