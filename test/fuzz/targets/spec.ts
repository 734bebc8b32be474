/** What people write: specs, read, then planned and rendered for every data plane when they are good; and what they import. */
import fc from 'fast-check';
import { rendererOf } from '../../../src/dataplanes/renderers.ts';
import { importMesh } from '../../../src/import/import-mesh.ts';
import { objectsIn, readObjects } from '../../../src/import/objects.ts';
import type { Json } from '../../../src/journal/documents.ts';
import { isRefusal } from '../../../src/plan/fidelity.ts';
import { planService } from '../../../src/plan/plan-service.ts';
import { parseDuration } from '../../../src/spec/duration.ts';
import { readSpec, type SpecFile } from '../../../src/spec/read-spec.ts';
import { DATA_PLANE_KINDS } from '../../../src/spec/schema.ts';
import { serviceFidelity, specFidelity } from '../../../src/spec-fidelity.ts';
import { jsonInputs, textInputs } from '../inputs.ts';
import { filesIn, specs, valuesIn } from '../samples.ts';
import { type Target, target } from '../target.ts';

const MIB = 1024 * 1024;
const HEADER = 'apiVersion: meshwright.dev/v1\n';
const SERVICE = 'apiVersion: meshwright.dev/v1\nkind: Service\nname: catalog\nport: 8080\n';
const MESH = 'apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ndataPlanes:\n  - { name: edge, kind: envoy }\n';

/** One file of a good spec, damaged; the others are as they were. */
const damagedSpecs: fc.Arbitrary<readonly SpecFile[]> = fc.constantFrom(...specs).chain((files) =>
  fc
    .tuple(
      fc.nat(files.length - 1),
      textInputs(
        files.map(({ text }) => text),
        files.flatMap(({ text }) => valuesIn(text)),
      ),
    )
    .map(([at, text]) => files.map((file, index) => (index === at ? { ...file, text } : file))),
);

const spec = target<readonly SpecFile[]>(
  {
    name: 'spec',
    share: 700,
    inputs: damagedSpecs,
    large: [
      { what: 'aliases that multiply', input: () => [{ path: 'a.yaml', text: `${MESH}---\n${bomb()}` }] },
      { what: '1 MiB of open brackets', input: () => [{ path: 'a.yaml', text: '['.repeat(MIB) }] },
      { what: '1 MiB of open braces', input: () => [{ path: 'a.yaml', text: '{a: '.repeat(MIB / 4) }] },
      { what: '1 MiB of dashes', input: () => [{ path: 'a.yaml', text: '- '.repeat(MIB / 2) }] },
      { what: '1 MiB of blanks', input: () => [{ path: 'a.yaml', text: `${SERVICE}team: ${' '.repeat(MIB - 200)}x` }] },
      { what: '1 MiB of keys', input: () => [{ path: 'a.yaml', text: manyLines((at) => `k${at}: 1`) }] },
      { what: '1 MiB of anchors', input: () => [{ path: 'a.yaml', text: manyLines((at) => `k${at}: &a${at} 1`) }] },
      { what: '1 MiB of one quoted text', input: () => [{ path: 'a.yaml', text: `${SERVICE}team: "${'\\u0041'.repeat(MIB / 7)}"` }] },
      { what: 'a thousand services', input: () => [{ path: 'a.yaml', text: [MESH, ...named(999)].join('---\n') }] },
      {
        what: '30,000 callers',
        input: () => [{ path: 'a.yaml', text: `${MESH}mtls: strict\n---\n${SERVICE}allow: [${'"catalog",'.repeat(30_000)}]` }],
      },
      {
        what: 'a regex that is long',
        input: () => [
          { path: 'a.yaml', text: `${MESH}---\n${SERVICE}routes: [{ name: a, match: { path: { regex: "${'(a*)*'.repeat(20_000)}" } } }]` },
        ],
      },
    ],
  },
  (files) => {
    const read = readSpec(files);
    if (read.ok) rendered(read);
    else if (read.problems.length === 0) throw new Error('It is refused, and nothing is said of why.');
    else for (const { message, line } of read.problems) if (message === '' || line < 1) throw new Error('A problem says nothing.');
  },
);

/** As plans on all the data planes that the mesh has, and on one of every kind. */
function rendered({ mesh, services }: Extract<ReturnType<typeof readSpec>, { ok: true }>): void {
  specFidelity(mesh, services);
  for (const service of services) {
    const plan = planService(mesh.name, service, { split: [{ version: service.stable ?? 'v1', weight: 100 }] });
    for (const dataPlane of oneOfEach) {
      if (!serviceFidelity(mesh.name, service, dataPlane).some(isRefusal)) rendererOf(dataPlane).render(plan);
    }
  }
}

const everyKind = readSpec([
  {
    path: 'mesh.yaml',
    text: `${HEADER}kind: Mesh\nname: shop\ndataPlanes:\n${DATA_PLANE_KINDS.map((kind) => `  - { name: ${kind}, kind: ${kind}${kind === 'consul' ? ', defaultPolicy: deny' : ''} }\n`).join('')}`,
  },
]);
if (!everyKind.ok) throw new Error(JSON.stringify(everyKind.problems));
const oneOfEach = everyKind.mesh.dataPlanes;

const bomb = (): string =>
  [
    'a: &a [x, x, x, x, x, x, x, x, x]',
    ...'bcdefghij'.split('').map((name, at) => `${name}: &${name} [${`*${'abcdefghi'[at]},`.repeat(9)}]`),
  ].join('\n');
const manyLines = (line: (at: number) => string): string => {
  const lines = Array.from({ length: 100_000 }, (_, at) => line(at)).join('\n');
  return lines.slice(0, lines.lastIndexOf('\n', MIB - 1));
};
const named = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => SERVICE.replace('catalog', `s${at}`));

const duration = target<string>(
  {
    name: 'duration',
    share: 2_000,
    inputs: textInputs(['30s', '1h30m', '250ms', '7d']),
    large: [{ what: '1 MiB of digits', input: () => '1'.repeat(MIB) }],
  },
  (text) => {
    const ms = parseDuration(text);
    if (ms !== undefined && !(Number.isSafeInteger(ms) && ms >= 0)) throw new Error(`It reads ${ms}.`);
  },
);

const CASES = ['argo', 'consul', 'flagger', 'istio', 'linkerd', 'osm'].map((name) => filesIn(`test/import/cases/${name}`));
const caseText = CASES.flat().map(({ text }) => text);
const caseValues = CASES.flat()
  .flatMap(({ text }) => valuesIn(text))
  .filter((value) => value !== null);
const options = { mesh: 'shop' };

/** Nothing that is a service is a documented `RangeError`: the command line says it in a sentence. */
const imported = (objects: ReturnType<typeof readObjects>['objects']): void => {
  try {
    importMesh(objects, options);
  } catch (error) {
    if (!(error instanceof RangeError && error.message.startsWith('nothing here'))) throw error;
  }
};

const importText = target<string>(
  {
    name: 'import-files',
    share: 500,
    inputs: textInputs(caseText, caseValues),
    large: [{ what: '4 MiB of open brackets', input: () => '['.repeat(4 * MIB) }],
  },
  (text) => {
    const { objects, unreadable } = readObjects([{ path: 'x.yaml', text }]);
    if (unreadable.some(({ message }) => message === '')) throw new Error('A file is unreadable, and nothing is said of why.');
    if (objects.length > 0) imported(objects);
  },
);

const importObjects = target<readonly Json[]>(
  {
    name: 'import-objects',
    share: 1_000,
    inputs: fc
      .constantFrom(...CASES.map((files) => files.flatMap(({ text }) => valuesIn(text)).filter((value) => value !== null)))
      .chain((values) =>
        fc
          .tuple(fc.nat(values.length - 1), jsonInputs(values))
          .map(([at, value]) => values.map((each, index) => (index === at ? value : each))),
      ),
  },
  (values) => {
    const { objects } = objectsIn('here', values.length === 1 ? values[0] : { items: values });
    if (objects.length > 0) imported(objects);
  },
);

export const specTargets: readonly Target[] = [spec, duration, importText, importObjects];
