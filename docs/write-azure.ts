/**
 * Writes the tables of `docs/azure.md`, between their marks, from the templates as they are read by the tests: every parameter, every resource,
 * every role with whom it is given to, on what and why, and what is made for code that is not there yet. `npm run docs:azure`; a test fails
 * when the page is not what the templates say.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { assignedRoles } from '../test/infra/audit/roles.ts';
import { readTemplate } from '../test/infra/bicep/declarations.ts';
import type { Deployed } from '../test/infra/bicep/deployment.ts';
import { NOT_YET_USED } from '../test/infra/not-yet-used.ts';
import { deployed, EVERYTHING, LEAST, readInfra } from '../test/infra/templates.ts';

const PAGE = join(import.meta.dirname, 'azure.md');
const NOTE = 'written by `npm run docs:azure`; do not edit';

const SECTIONS: Readonly<Record<string, () => string>> = {
  parameters: parameterTable,
  resources: resourceTable,
  roles: roleTable,
  'not yet used': () => NOT_YET_USED.map(({ because, file }) => `- ${because} (\`infra/${file}\`)`).join('\n'),
};

/** The page with its tables as the templates are now. */
export function azurePage(page: string): string {
  return Object.entries(SECTIONS).reduce((text, [name, write]) => {
    const [begin, end] = [`<!-- ${name}: ${NOTE} -->`, `<!-- end of ${name} -->`];
    const [before, rest] = text.split(begin);
    const [, after] = rest?.split(end) ?? [];
    if (before === undefined || after === undefined) throw new Error(`docs/azure.md has lost the marks that its ${name} are between.`);
    return `${before}${begin}\n\n${write()}\n\n${end}${after}`;
  }, page);
}

/** What azd sets each by, and what it is when nobody does. */
function parameterTable(): string {
  const file = z
    .object({ parameters: z.record(z.string(), z.object({ value: z.string() })) })
    .parse(JSON.parse(readInfra('main.parameters.json'))).parameters;
  const declared = [...readTemplate(readInfra('main.bicep'), 'main.bicep').declarations.values()].filter(({ kind }) => kind === 'param');
  const rows = declared.map(({ name, content, decorators }) => {
    const variable = /^\$\{([A-Z_]+)/.exec(file[name]?.value ?? '')?.[1];
    const value = content === undefined ? 'has to be set' : `\`${content.text.replaceAll(/\s+/g, ' ')}\``;
    return `| ${variable ? `\`${variable}\`` : `\`${name}\`, in the file`} | ${value} | ${plain(decorators.get('description')?.text)} |`;
  });
  return ['| Variable of azd | Default | |', '|---|---|---|', ...rows].join('\n');
}

const plain = (literal: string | undefined): string =>
  (literal ?? '').replace(/^'|'$/g, '').replaceAll("\\'", "'").replaceAll('|', '\\|').replaceAll('<', '&lt;');

/** How many of each type, with nothing switched on and with everything. */
function resourceTable(): string {
  const [least, most] = [deployed(LEAST).resources, deployed(EVERYTHING).resources];
  const files = [...new Set(most.map(({ file }) => file))].sort();
  const rows = files.map((file) => {
    const ofFile = (all: readonly Deployed[]): readonly Deployed[] => all.filter((each) => each.file === file);
    const types = [...new Set(ofFile(most).map(({ type }) => type.replace(/^Microsoft\./, '')))].sort();
    return `| \`${file}\` | ${ofFile(least).length} | ${ofFile(most).length} | ${types.join(', ')} |`;
  });
  const total = `| | **${least.length}** | **${most.length}** | |`;
  return ['| Template | At first | With everything | Types |', '|---|---|---|---|', ...rows, total].join('\n');
}

const WHO: Readonly<Record<string, string>> = {
  functions: 'the functions',
  xds: 'the server for plain Envoys',
  'evgt-vault': "Event Grid's topic of the vault",
  'evgt-registry': "Event Grid's topic of the registry",
  'evgt-meshwright': "Event Grid's topic of our own",
};

function roleTable(): string {
  const least = new Set(assignedRoles(deployed(LEAST).resources).map(({ resource }) => symbolOf(resource)));
  const rows = assignedRoles(deployed(EVERYTHING).resources)
    .map(({ who, role, on, why, resource }) => ({
      who: WHO[who] ?? who,
      role,
      on: placeOf(on),
      why: `${why}${least.has(symbolOf(resource)) ? '' : ' Only where that is asked for.'}`,
    }))
    .sort((a, b) => `${a.who}${a.role}${a.on}`.localeCompare(`${b.who}${b.role}${b.on}`, 'en'));
  return [
    '| Who | Role | On | Why |',
    '|---|---|---|---|',
    ...rows.map(({ who, role, on, why }) => `| ${who} | ${role} | ${on} | ${why} |`),
  ].join('\n');
}

const symbolOf = ({ file, symbol }: Deployed): string => `${file} ${symbol}`;

const PLACES: readonly (readonly [RegExp, string])[] = [
  [/containers\/([a-z-]+)$/, 'the container `$1`'],
  [/namespaces\/[^/]+$/, 'each namespace that is named, in each cluster'],
  [/managedClusters\/[^/]+$/, 'each cluster that is named'],
  [/registries\/[^/]+$/, 'the registry'],
  [/vaults\/kv-addon$/, "each add-on's vault that is named"],
  [/vaults\/[^/]+$/, 'the vault'],
  [/storageAccounts\/sthost[^/]*$/, "the host's storage account"],
  [/databaseAccounts\/[^/]+$/, 'the Cosmos DB account'],
  [/components\/[^/]+$/, 'Application Insights'],
  [/dataCollectionRules\/[^/]+$/, "the journal's data collection rule"],
  [/topics\/[^/]+$/, 'the topic of our own'],
];

function placeOf(id: string): string {
  for (const [pattern, words] of PLACES) {
    const found = pattern.exec(id);
    if (found) return words.replace('$1', found[1] ?? '');
  }
  throw new Error(`No words are known for ${id}; add them to docs/write-azure.ts.`);
}

if (process.argv[1] === import.meta.filename) writeFileSync(PAGE, azurePage(readFileSync(PAGE, 'utf8')));
