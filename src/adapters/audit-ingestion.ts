/**
 * The audit log as a table of Log Analytics, by the Logs Ingestion API through a data collection rule
 * (https://learn.microsoft.com/azure/azure-monitor/logs/logs-ingestion-api-overview): one request at a time, tried a few times where it is throttled or
 * fails, within a time; then it throws, and whoever sends holds the rows.
 */
import type { TokenCredential } from '@azure/identity';
import { z } from 'zod';
import type { AuditLog } from '../journal/audit-rows.ts';
import { missingRole, refusedIdentity } from './missing-role.ts';

export interface Ingestion {
  /** Of the rule or of a data collection endpoint, such as `https://….ingest.monitor.azure.com`. */
  readonly endpoint: string;
  /** Its immutable id, `dcr-…`. */
  readonly rule: string;
  /** As the rule declares it, `Custom-…`. */
  readonly stream: string;
  readonly credential: TokenCredential;
  /** A certificate (PEM) that is believed besides: of a stand-in. */
  readonly authority?: string;
}

const TRIES = 3;
const LONGEST_WAIT_MS = 5_000;
const WITHIN_MS = 30_000;

const failuresSchema = z.object({ errors: z.array(z.object({ cause: z.instanceof(Error) })).min(1) });
const refusedSchema = z.object({ statusCode: z.literal(403), message: z.string() });

export async function openAuditLog({ endpoint, rule, stream, credential, authority }: Ingestion): Promise<AuditLog> {
  const { LogsIngestionClient } = await import('@azure/monitor-ingestion');
  const client = new LogsIngestionClient(endpoint, credential, {
    retryOptions: { maxRetries: TRIES - 1, maxRetryDelayInMs: LONGEST_WAIT_MS },
    ...(authority === undefined ? {} : { tlsOptions: { ca: authority } }),
  });
  return {
    async send(rows) {
      try {
        await client.upload(
          rule,
          stream,
          rows.map((row) => ({ ...row })),
          { maxConcurrency: 1, abortSignal: AbortSignal.timeout(WITHIN_MS) },
        );
      } catch (error) {
        throw said(error, rule);
      }
    },
  };
}

/** The SDK gathers what went wrong of each request; here there is one. */
function said(error: unknown, rule: string): unknown {
  const cause = failuresSchema.safeParse(error).data?.errors[0]?.cause ?? error;
  const refused = refusedSchema.safeParse(cause);
  if (!refused.success) return cause;
  const scope = `$(az monitor data-collection rule list --query "[?immutableId=='${rule}'].id" --output tsv)`;
  const missing = missingRole({ role: 'Monitoring Metrics Publisher', who: refusedIdentity(refused.data.message), scope });
  return new Error(`The data collection rule ${rule} takes no rows of this app: ${missing}`, { cause });
}
