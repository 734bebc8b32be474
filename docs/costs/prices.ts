/**
 * List prices in US dollars, pay as you go, East US, without tax or agreement, as of 2026-11-22. Microsoft's own pages show them only live: where one is
 * named as the source, the price is what public projects quote from it. Other regions differ, by up to a fifth.
 */
export interface Price {
  readonly usd: number;
  /** Of what. */
  readonly per: string;
  /** How much of it each month is free. */
  readonly free?: number;
  readonly source: string;
}

export const PRICES = {
  compute: {
    usd: 0.000026,
    per: 'GB-second of an instance that is active, at least one second each time',
    free: 100_000,
    source: 'modal.com/blog/azure-function-pricing-guide (2025-05)',
  },
  executions: { usd: 0.4 / 1e6, per: 'execution', free: 250_000, source: 'azure.microsoft.com/pricing/details/functions' },
  requestUnits: { usd: 0.25 / 1e6, per: 'request unit, serverless', source: 'azure.microsoft.com/pricing/details/cosmos-db/serverless' },
  stateStorage: {
    usd: 0.25,
    per: 'GB of documents and index, a month',
    source: 'azure.microsoft.com/pricing/details/cosmos-db/serverless',
  },
  autoscale: {
    usd: 0.012 / 100,
    per: 'RU/s, an hour, of the highest in that hour',
    source: 'azure.microsoft.com/pricing/details/cosmos-db/autoscale-provisioned',
  },
  logs: { usd: 2.3, per: 'GB of telemetry', free: 5, source: 'monitoringcost.com/azure-monitor-cost (2026)' },
  rules: { usd: 1.5, per: 'log alert rule that looks each five minutes, a month', source: 'azure.microsoft.com/pricing/details/monitor' },
  events: { usd: 0.6 / 1e6, per: 'operation of Event Grid', free: 100_000, source: 'azure.microsoft.com/pricing/details/event-grid' },
  queue: { usd: 0.004 / 1e4, per: 'operation on a queue', source: 'azure.microsoft.com/pricing/details/storage/queues' },
  vault: {
    usd: 0.15 / 1e4,
    per: 'operation with a key of 3072 bits or of a curve',
    source: 'azure.microsoft.com/pricing/details/key-vault',
  },
  endpoints: { usd: 0.01, per: 'private endpoint, an hour', source: 'azure.microsoft.com/pricing/details/private-link' },
  zones: { usd: 0.5, per: 'private DNS zone, a month', source: 'azure.microsoft.com/pricing/details/dns' },
  cpu: { usd: 0.000024, per: 'vCPU-second of a container', free: 180_000, source: 'azure.microsoft.com/pricing/details/container-apps' },
  memory: { usd: 0.000003, per: 'GiB-second of a container', free: 360_000, source: 'azure.microsoft.com/pricing/details/container-apps' },
} as const satisfies Readonly<Record<string, Price>>;

export const HOURS = 730;

/** What `amount` costs in a month, of which some is free. */
export const costOf = ({ usd, free = 0 }: Price, amount: number): number => usd * Math.max(0, amount - free);
