/**
 * Writes `docs/fidelity.md` from the tables that judge plans: `npm run docs:fidelity`. What is written down there is what the
 * code does; a test fails when it is not.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rendererOf } from '../src/dataplanes/renderers.ts';
import { type FidelityTable, type FieldJudgement, PLAN_FIELDS, type PlanField } from '../src/plan/fidelity.ts';
import { authoredDataPlaneSchema } from '../src/spec/authored-data-planes.ts';

const PAGE = join(import.meta.dirname, 'fidelity.md');

/** One column each; those with one `key` share their notes, whose names begin with it. */
const COLUMNS = [
  { key: 'i', title: 'Istio', written: { kind: 'istio' } },
  { key: 'e', title: 'Envoy', written: { kind: 'envoy' } },
  { key: 'c', title: 'Consul', written: { kind: 'consul', defaultPolicy: 'deny' } },
  { key: 'g', title: 'Gateway API', written: { kind: 'gateway-api' } },
  { key: 'g', title: 'its experimental channel', written: { kind: 'gateway-api', experimental: true } },
  { key: 'l', title: 'Linkerd', written: { kind: 'linkerd' } },
  { key: 'o', title: 'OSM', written: { kind: 'osm' } },
] as const;

const FIELDS = Object.entries(PLAN_FIELDS).flatMap(([name, meaning]) => (isField(name) ? [{ name, meaning }] : []));

/** The sentences of one data plane, each once, numbered in the order of their first use. */
class Notes {
  readonly #key: string;
  readonly #texts: string[] = [];

  constructor(key: string) {
    this.#key = key;
  }

  name(text: string): string {
    const known = this.#texts.indexOf(text);
    const index = known === -1 ? this.#texts.push(text) - 1 : known;
    return `${this.#key}${index + 1}`;
  }

  list(): string {
    return this.#texts.map((text, index) => `- **${this.#key}${index + 1}** ${text}`).join('\n');
  }
}

export function fidelityPage(): string {
  const notesBy = new Map(COLUMNS.map(({ key }) => [key, new Notes(key)]));
  const columns = COLUMNS.map(({ key, title, written }) => {
    const table = rendererOf(authoredDataPlaneSchema.parse({ name: key, ...written })).fidelity;
    return { title, table, notes: notesBy.get(key) ?? new Notes(key) };
  });
  const rows = FIELDS.map(({ name, meaning }) => {
    const cells = columns.map(({ table, notes }) => cellOf(table, name, notes));
    return `| \`${name}\` | ${meaning} | ${cells.join(' | ')} |`;
  });
  const head = ['Field', 'Means', ...columns.map(({ title }) => title)];
  const counts = columns.map(({ title, table }) => countLine(title, table));
  return [
    INTRODUCTION,
    `| ${head.join(' | ')} |\n|${'---|'.repeat(head.length)}\n${rows.join('\n')}`,
    `${counts.join('\n')}`,
    ...[...notesBy].map(([key, notes]) => `## ${COLUMNS.find((column) => column.key === key)?.title}\n\n${notes.list()}`),
  ]
    .join('\n\n')
    .concat('\n');
}

const INTRODUCTION = `# What each data plane says of a spec

<!-- Written by \`npm run docs:fidelity\` from the tables in src/dataplanes/*/fidelity.ts; do not edit. -->

A spec means the same everywhere, or it is said where it does not. Each field of the plan that is made of a service is, for each
kind of data plane, **exact**, said **nearly** (with the difference), or **refused** (with a code, and what to do instead); some
are refused for some values only, which is what *but* stands for. What concerns security (\`mtls\`, \`allow\`, \`tokens\`) is never said nearly.
\`meshwright plan\` shows this for a spec, with the line that asks for it; \`apply\` refuses a spec with anything refused on a data
plane that the service lives on, and adopts nothing of it; \`export\` writes only the report.`;

function cellOf(table: FidelityTable, field: PlanField, notes: Notes): string {
  const judgement = table[field];
  const exceptions = (judgement.except ?? []).map(({ code, sentence }) => notes.name(`\`${code}\`: ${sentence}`));
  return [wordOf(judgement, notes), ...(exceptions.length === 0 ? [] : [`but ${exceptions.join(' ')}`])].join(', ');
}

function wordOf(judgement: FieldJudgement, notes: Notes): string {
  switch (judgement.kind) {
    case 'exact':
      return 'exact';
    case 'approximated':
      return `nearly ${notes.name(judgement.difference)}`;
    case 'refused':
      return `refused ${notes.name(`\`${judgement.code}\`: ${judgement.sentence}`)}`;
  }
}

function countLine(title: string, table: FidelityTable): string {
  const count = (kind: FieldJudgement['kind']) => FIELDS.filter(({ name }) => table[name].kind === kind).length;
  return `- ${title}: ${count('exact')} exact, ${count('approximated')} nearly, ${count('refused')} refused, of ${FIELDS.length}.`;
}

function isField(name: string): name is PlanField {
  return name in PLAN_FIELDS;
}

if (process.argv[1] === import.meta.filename) writeFileSync(PAGE, fidelityPage());
