/** The directions between the rooms, from the real import graph; each rule is shown to catch a file that breaks it. */
import { describe, expect, it } from 'vitest';
import { covers, importProblems, importsOf, roomOf } from './import-rules.ts';
import { importing, made, product } from './product-files.ts';
import { PROGRAMS } from './programs-table.ts';
import { ROOMS } from './rooms-table.ts';

const DOMAIN_ROOMS = [
  'src/spec',
  'src/plan',
  'src/rollouts',
  'src/trust',
  'src/intake',
  'src/journal',
  'src/notifications',
  'src/reconcile',
  'src/dataplanes',
  'src/import',
];
const TABLE = { ...ROOMS, ...PROGRAMS };
const PURE_ROOMS = ['src/spec', 'src/plan', 'src/rollouts', 'src/intake', 'src/import'];
const CHOOSE_ADAPTERS = [
  'src/agent',
  'src/data-planes.ts',
  'src/azure.ts',
  'src/certificate-adapters.ts',
  'src/cli',
  'src/mesh-reading.ts',
  'src/local',
  'src/xds',
  'src/wiring.ts',
];

describe('what a room imports of others', () => {
  it('is in the table', () => {
    expect(product.length).toBeGreaterThan(80);
    expect(product.flatMap((file) => importProblems(file, TABLE))).toEqual([]);
  });

  it.each([
    ['a type', importing('src/rollouts/new.ts', '../journal/journal.ts')],
    ['a value over lines', made('src/plan/new.ts', "import {\n  a,\n  b,\n} from '../rollouts/state.ts';")],
    ['an effect', made('src/spec/new.ts', "import '../adapters/sqlite-documents.ts';")],
    ['an import at run time', made('src/journal/new.ts', "const x = await import('../adapters/cosmos-documents.ts');")],
    ['an export from elsewhere', made('src/intake/new.ts', "export * from '../rollouts/state.ts';")],
    ['insides beyond the table', importing('functions/new.ts', '../src/rollouts/decide.ts')],
    ['a program, from a room', importing('src/reconcile/new.ts', '../local/host/host.ts')],
    ['the app, from an adapter', importing('src/adapters/new.ts', '../app.ts')],
    ['anything, from a room that is not listed', importing('src/newcomer/new.ts', '../spec/schema.ts')],
  ])('is caught when it is not: %s', (_what, file) => {
    expect(importProblems(file, TABLE)).toHaveLength(1);
  });

  it('is free inside a room, for packages and for what the table lists', () => {
    for (const target of ['./state.ts', 'zod', 'node:crypto', '../spec/schema.ts'])
      expect(importProblems(importing('src/rollouts/new.ts', target), TABLE)).toEqual([]);
    expect(importsOf(importing('src/rollouts/new.ts', './state.ts'))).toEqual(['src/rollouts/state.ts']);
  });
});

describe('the table', () => {
  const entries = Object.entries(TABLE).flatMap(([room, targets]) => targets.map((target) => [room, target] as const));

  it('lists nothing that is not there', () => {
    const missing = entries.filter(([, target]) => !product.some(({ path }) => covers(target, path)));
    expect(missing).toEqual([]);
    expect(Object.keys(TABLE).filter((room) => !product.some(({ path }) => roomOf(path) === room))).toEqual([]);
  });

  it('lets the pure rooms know neither the journal nor adapters', () => {
    expect(entries.filter(([room, target]) => PURE_ROOMS.includes(room) && /^src\/(journal|adapters|reconcile)\//.test(target))).toEqual(
      [],
    );
  });

  it('lets no room know the app, a program or what chooses adapters', () => {
    const upwards =
      /^(functions\/|src\/(app|azure|wiring|environment|receive|spec-fidelity|status)\.ts|src\/(api|cli|local|xds|agent|dashboard|adapters)\/)/;
    expect(entries.filter(([room, target]) => DOMAIN_ROOMS.includes(room) && upwards.test(target))).toEqual([]);
  });

  it('lets only those know adapters who choose them', () => {
    expect(entries.filter(([room, target]) => target.startsWith('src/adapters/') && !CHOOSE_ADAPTERS.includes(room))).toEqual([]);
  });

  it('lets the command line and the page know no store', () => {
    const stores = /^src\/(adapters\/(?!(?:azure-token|anchor-blobs)\.ts)|journal\/(?!anchors\.ts|archive\.ts))/;
    expect(entries.filter(([room, target]) => ['src/cli', 'src/dashboard'].includes(room) && stores.test(target))).toEqual([]);
  });

  it('lets data planes know the plan, how they are reached and the interfaces they fill, and no rollout', () => {
    expect(TABLE['src/dataplanes']?.filter((target) => /^src\/(rollouts|spec|intake|trust)\//.test(target))).toEqual([
      'src/spec/schema.ts',
      'src/trust/data-plane-trust.ts',
    ]);
  });
});
