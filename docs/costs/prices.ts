/**
 * List prices in US dollars, pay as you go, East US, without tax or agreement, as of 2026-11-22, each with how it is known: Microsoft's own pages show
 * prices only live and were not read, so that most are remembered. Other regions differ, by up to a fifth.
 */

/** `read`: on the page that is named. `quoted`: public projects quote it from that page. `remembered`: looked up nowhere; the page is where to look. */
export type Known = 'read' | 'quoted' | 'remembered';

export interface Price {
  readonly usd: number;
  /** Of what. */
  readonly per: string;
  /** How much of it each month is free; known as the price is. */
  readonly free?: number;
  readonly known: Known;
  readonly source: string;
}

export const PRICES = {
  compute: {
    usd: 0.000026,
    per: 'GB-second of an instance that is active, at least one second each time',
    free: 100_000,
    known: 'read',
    source: 'modal.com/blog/azure-function-pricing-guide (2025-05)',
  },
  executions: {
    usd: 0.4 / 1e6,
    per: 'execution',
    free: 250_000,
    known: 'remembered',
    source: 'azure.microsoft.com/pricing/details/functions',
  },
  requestUnits: {
    usd: 0.25 / 1e6,
    per: 'request unit, serverless',
    known: 'quoted',
    source: 'azure.microsoft.com/pricing/details/cosmos-db/serverless',
  },
  stateStorage: {
    usd: 0.25,
    per: 'GB of documents and index, a month',
    known: 'remembered',
    source: 'azure.microsoft.com/pricing/details/cosmos-db/serverless',
  },
  autoscale: {
    usd: 0.012 / 100,
    per: 'RU/s, an hour, of the highest in that hour',
    known: 'remembered',
    source: 'azure.microsoft.com/pricing/details/cosmos-db/autoscale-provisioned',
  },
  logs: { usd: 2.3, per: 'GB of telemetry', free: 5, known: 'read', source: 'monitoringcost.com/azure-monitor-cost (2026)' },
  rules: {
    usd: 1.5,
    per: 'log alert rule that looks each five minutes, a month',
    known: 'remembered',
    source: 'azure.microsoft.com/pricing/details/monitor',
  },
  events: {
    usd: 0.6 / 1e6,
    per: 'operation of Event Grid',
    free: 100_000,
    known: 'remembered',
    source: 'azure.microsoft.com/pricing/details/event-grid',
  },
  queue: {
    usd: 0.004 / 1e4,
    per: 'operation on a queue',
    known: 'remembered',
    source: 'azure.microsoft.com/pricing/details/storage/queues',
  },
  vault: {
    usd: 0.15 / 1e4,
    per: 'operation with a key of 3072 bits or of a curve',
    known: 'remembered',
    source: 'azure.microsoft.com/pricing/details/key-vault',
  },
  endpoints: {
    usd: 0.01,
    per: 'private endpoint, an hour',
    known: 'remembered',
    source: 'azure.microsoft.com/pricing/details/private-link',
  },
  zones: { usd: 0.5, per: 'private DNS zone, a month', known: 'remembered', source: 'azure.microsoft.com/pricing/details/dns' },
  cpu: {
    usd: 0.000024,
    per: 'vCPU-second of a container',
    free: 180_000,
    known: 'remembered',
    source: 'azure.microsoft.com/pricing/details/container-apps',
  },
  memory: {
    usd: 0.000003,
    per: 'GiB-second of a container',
    free: 360_000,
    known: 'remembered',
    source: 'azure.microsoft.com/pricing/details/container-apps',
  },
} as const satisfies Readonly<Record<string, Price>>;

export const HOURS = 730;

/** What `amount` costs in a month, of which some is free. */
export const costOf = ({ usd, free = 0 }: Price, amount: number): number => usd * Math.max(0, amount - free);
