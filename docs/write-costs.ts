/**
 * Writes `docs/costs.md`: what a month costs, from stated prices, the schedules of the built functions, the resources that the templates make, and what
 * the app asks of its store as it was counted. `npm run docs:costs` after a build; a test fails when the page is not what comes out.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cron } from 'croner';
import { codeFacts } from '../test/infra/code-facts.ts';
import { deployed, EVERYTHING, LEAST } from '../test/infra/templates.ts';
import { type Operations, operations, STEPS } from './costs/measured.ts';
import { costOf, HOURS, type Known, PRICES, type Price } from './costs/prices.ts';

const PAGE = join(import.meta.dirname, 'costs.md');
const DAYS = HOURS / 24;
const WEEKS = DAYS / 7;

/** What nobody can count for you; change it to what is yours. */
const ASSUMED = {
  deploymentsAWeek: 2,
  /** The default of the templates. */
  memoryGb: 2,
  /** A look at one service on its data plane, on average, while others are looked at too. */
  lookSeconds: 0.04,
  /** Calls of functions for each commit of a rollout: an alarm and a hint. */
  callsACommit: 2,
  telemetryKb: 2,
  documentKb: 2,
  /** How long the journal has been growing. */
  months: 12,
};

const SCENARIOS = [
  { name: 'idle', services: 0 },
  { name: '50 services', services: 50 },
  { name: '5,000 services', services: 5_000 },
];

const KNOWN: Readonly<Record<Known, string>> = {
  read: 'read there',
  quoted: 'as public projects quote it from there',
  remembered: 'remembered, not looked up; see there',
};

export interface Line {
  readonly what: string;
  /** In each scenario: how much of it, and what that costs. */
  readonly months: readonly { readonly amount: number; readonly usd: number }[];
}

/** How often each timer runs in a month, by its schedule. */
function timerTurns(timers: readonly { readonly name: string; readonly schedule: string }[]): ReadonlyMap<string, number> {
  const [from, to] = [new Date('2026-01-05T00:00:00Z'), new Date('2026-01-06T00:00:00Z')];
  return new Map(
    timers.map(({ name, schedule }) => {
      const runs = new Cron(schedule, { timezone: 'UTC' }).nextRuns(2_000, new Date(from.getTime() - 1)).filter((run) => run < to);
      return [name, runs.length * DAYS];
    }),
  );
}

function linesOf(counted: Operations, turns: ReadonlyMap<string, number>, rules: number): readonly Line[] {
  const rollouts = (services: number): number => services * ASSUMED.deploymentsAWeek * WEEKS;
  const timers = [...turns.values()].reduce((sum, each) => sum + each, 0);
  const executions = (services: number): number => timers + rollouts(services) * (1 + counted.rollout.commits * ASSUMED.callsACommit);
  const looking = (services: number): number => Math.max(0, services * ASSUMED.lookSeconds - 1) * (turns.get('driftTimer') ?? 0);
  const unitsOfTimers = (services: number): number =>
    Object.entries(counted.turns).reduce((sum, [name, { base, each }]) => sum + (turns.get(name) ?? 0) * (base + each * services), 0);
  const commits = (services: number): number => rollouts(services) * counted.rollout.commits;
  const line = (what: string, price: Price, amount: (services: number) => number): Line => ({
    what: `${what}, ${price.per}`,
    months: SCENARIOS.map(({ services }) => ({ amount: amount(services), usd: costOf(price, amount(services)) })),
  });
  const gb = (kilobytes: number): number => kilobytes / 1024 / 1024;
  return [
    line('Functions', PRICES.compute, (services) => (executions(services) + looking(services)) * ASSUMED.memoryGb),
    line('Functions', PRICES.executions, executions),
    line('Cosmos DB', PRICES.requestUnits, (services) => unitsOfTimers(services) + rollouts(services) * counted.rollout.units),
    line('Cosmos DB', PRICES.stateStorage, (services) => gb((commits(services) * ASSUMED.months + services * 4) * ASSUMED.documentKb)),
    line('Log Analytics', PRICES.logs, (services) => gb(executions(services) * ASSUMED.telemetryKb)),
    line('Alert rules', PRICES.rules, () => rules),
    line('Event Grid', PRICES.events, (services) => rollouts(services) * 2),
    line('Queues', PRICES.queue, (services) => executions(services) * 3),
  ];
}

/** To three digits: more are not known. */
const count = (amount: number): string => Number(amount.toPrecision(3)).toLocaleString('en-US');
const usd = (amount: number): string => amount.toFixed(2);

function table(lines: readonly Line[]): string {
  const totals = SCENARIOS.map((_scenario, index) => lines.reduce((sum, { months }) => sum + (months[index]?.usd ?? 0), 0));
  return [
    `| A month | ${SCENARIOS.map(({ name }) => `${name} | $`).join(' | ')} |`,
    `|---|${SCENARIOS.map(() => '--:|--:').join('|')}|`,
    ...lines.map(({ what, months }) => `| ${what} | ${months.map((each) => `${count(each.amount)} | ${usd(each.usd)}`).join(' | ')} |`),
    `| **All of it** | ${totals.map((total) => ` | **${usd(total)}**`).join(' | ')} |`,
  ].join('\n');
}

/** What switching something on adds, whatever is done with it. */
function extras(): string {
  const resources = deployed(EVERYTHING).resources;
  const of = (type: string): number => resources.filter((each) => each.type === type).length;
  const [endpoints, zones] = [of('Microsoft.Network/privateEndpoints'), of('Microsoft.Network/privateDnsZones')];
  const seconds = HOURS * 3_600;
  const network = costOf(PRICES.endpoints, endpoints * HOURS) + costOf(PRICES.zones, zones);
  const container = costOf(PRICES.cpu, seconds * 0.5) + costOf(PRICES.memory, seconds);
  return [
    `| Private network: ${endpoints} endpoints, ${zones} zones | ${usd(network)}, and $0.01 for each GB through them |`,
    `| The server for plain Envoys: 0.5 vCPU and 1 GiB, always on | ${usd(container)} |`,
    `| Autoscale of Cosmos DB up to 1,000 RU/s, a region, instead of request units: at rest a tenth of it | ${usd(costOf(PRICES.autoscale, 100 * HOURS))} to ${usd(costOf(PRICES.autoscale, 1_000 * HOURS))} |`,
  ].join('\n');
}

export async function costsPage(): Promise<string> {
  const [counted, facts] = [await operations(), await codeFacts()];
  const timers = facts.triggers.flatMap(({ function: name, schedule }) => (schedule === undefined ? [] : [{ name, schedule }]));
  const turns = timerTurns(timers);
  const rules = deployed(LEAST).resources.filter(({ type }) => type === 'Microsoft.Insights/scheduledQueryRules').length;
  const lines = linesOf(counted, turns, rules);
  const tenths = (units: number): string => (Math.round(units * 10) / 10).toFixed(1);
  const perTurn = Object.entries(counted.turns).map(
    ([name, { base, each }]) => `| \`${name}\` | ${count(turns.get(name) ?? 0)} | ${tenths(base)} | ${tenths(each)} |`,
  );
  const all: readonly Price[] = Object.values(PRICES);
  const remembered = all.filter(({ known }) => known === 'remembered').length;
  const prices = all.map((price) => {
    const amount = price.usd < 0.001 ? `${count(price.usd * 1e6)} a million` : String(price.usd);
    return `| ${price.per} | ${amount} | ${price.free === undefined ? '' : price.free.toLocaleString('en-US')} | ${KNOWN[price.known]} | ${price.source} |`;
  });
  return `# What it costs

<!-- Written by \`npm run docs:costs\` from docs/costs/, the built functions and the templates; do not edit. -->

Computed, not billed: **nothing of this was run on Azure**. Prices are list prices of East US in US dollars, as of 2026-11-22. Microsoft's pages show them only live and were
not read: ${remembered} of the ${all.length} prices are **remembered, not looked up**, and [the table](#prices) says of each how it is known. Look them up for your region and agreement before you
count on them. Idle is an installation that no spec was adopted in.

${table(lines)}

What is switched on beside that:

| | $ a month |
|---|---|
${extras()}

Of Key Vault a rotation takes some hundred operations, and a leaf one: $0.15 for ten thousand. What a cluster, its proxies and your own telemetry cost is not in here.

## What it is computed from

- Counted: what each timer asks of the store, with few and with many services at rest on one data plane, and a rollout of ${STEPS.length} steps from the event to its end, in which
  ${counted.rollout.commits} commits take ${count(counted.rollout.units)} request units. Units are those that Microsoft states for documents of the size that was read or written.
- From the code: how often timers run. From the templates: rules, endpoints, zones, sizes.
- Assumed: ${ASSUMED.deploymentsAWeek} deployments of each service a week; ${ASSUMED.memoryGb} GB instances, each call billed on its own and for a second at least; ${ASSUMED.lookSeconds * 1_000} ms a service when looking for drift; ${ASSUMED.callsACommit} calls a
  commit; ${ASSUMED.telemetryKb} KB of telemetry a call; ${ASSUMED.documentKb} KB a document; a journal that has grown for ${ASSUMED.months} months. Free amounts are of a whole subscription: others may use them up.

| Timer | Turns a month | Request units a turn | and for each service |
|---|--:|--:|--:|
${perTurn.join('\n')}

Looking for drift each five minutes is what grows with the number of services. Instances of 512 MB (\`MESHWRIGHT_INSTANCE_MEMORY_MB\`) take a quarter of the compute, for
installations that are small.

## Prices

Where a price is remembered, so is what is free of it; the page that is named is where to look it up, not where it was read.

| Of what | $ | Free each month | How it is known | Page |
|---|--:|--:|---|---|
${prices.join('\n')}
`;
}

if (process.argv[1] === import.meta.filename) writeFileSync(PAGE, await costsPage());
