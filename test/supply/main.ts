/**
 * `npm run check:supply`: the licences and origins of what is installed, `npm audit`, and a bill of materials of what is shipped (CycloneDX, by
 * npm itself) in `build/sbom.cdx.json`. Where the registry answers no audits, that is said, and fails only with `--require-audit`.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { KNOWN_LICENCES } from './known-licences.ts';
import { type Installed, installedBy, licenceProblems, originProblems } from './licences.ts';

const ROOT = join(import.meta.dirname, '../..');
const SBOM = join(ROOT, 'build', 'sbom.cdx.json');
/** What is worse than this is a failure. */
const WORST = ['high', 'critical'];

const { values } = parseArgs({ options: { 'require-audit': { type: 'boolean', default: false } } });

function npm(...argv: readonly string[]): { readonly json: unknown; readonly said: string } {
  const { stdout, stderr } = spawnSync('npm', argv, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    shell: process.platform === 'win32',
  });
  try {
    return { json: JSON.parse(stdout), said: stderr };
  } catch {
    return { json: undefined, said: stderr };
  }
}

const auditSchema = z.object({
  vulnerabilities: z.record(
    z.string(),
    z.object({ severity: z.string(), range: z.string().default(''), isDirect: z.boolean().default(false) }),
  ),
});
const refusalSchema = z.object({ message: z.string() });

/** `undefined`: nobody answered. */
function audit(): readonly string[] | undefined {
  const { json, said } = npm('audit', '--json');
  const read = auditSchema.safeParse(json);
  if (read.success) {
    const found = Object.entries(read.data.vulnerabilities).filter(([, { severity }]) => WORST.includes(severity));
    return found.map(([name, { severity, range }]) => `${name} ${range} has a ${severity} advisory: see \`npm audit\`.`);
  }
  const why = refusalSchema.safeParse(json).data?.message ?? said.split('\n').find((line) => line.includes('error')) ?? 'no answer';
  console.log(`Advisories: NOT CHECKED, for the registry answers no audit here (${why}).`);
  return undefined;
}

const bomSchema = z.looseObject({
  bomFormat: z.literal('CycloneDX'),
  specVersion: z.string(),
  components: z.array(
    z.looseObject({
      'bom-ref': z.string(),
      purl: z.string(),
      hashes: z.array(z.object({ alg: z.string(), content: z.string() })).default([]),
    }),
  ),
  dependencies: z.array(z.looseObject({ ref: z.string(), dependsOn: z.array(z.string()).default([]) })),
});
type Bom = z.infer<typeof bomSchema>;

/** Everything that is shipped, and nothing without its hash. npm's own `--omit dev` leaves out what tools use too, though it is shipped. */
function billOfMaterials(shipped: readonly Installed[]): readonly string[] {
  const { json, said } = npm('sbom', '--sbom-format', 'cyclonedx', '--package-lock-only');
  const read = bomSchema.safeParse(json);
  if (!read.success) return [`npm made no bill of materials: ${said.trim().slice(0, 500)}`];
  const bom = onlyShipped(read.data, new Set(shipped.map(purlOf)));
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  writeFileSync(SBOM, `${JSON.stringify(bom, null, 2)}\n`);
  console.log(`Bill of materials: ${bom.components.length} components, CycloneDX ${bom.specVersion}, in ${SBOM.slice(ROOT.length + 1)}.`);
  const listed = new Map(bom.components.map(({ purl, hashes }) => [decodeURIComponent(purl), hashes]));
  return shipped.flatMap((each) => {
    const hashes = listed.get(purlOf(each));
    if (!hashes) return [`${each.name}@${each.version} is shipped and not in the bill of materials.`];
    return hashes.some(({ alg }) => alg === 'SHA-512')
      ? []
      : [`${each.name}@${each.version} is in the bill of materials without its SHA-512.`];
  });
}

const purlOf = ({ name, version }: Installed): string => `pkg:npm/${name}@${version}`;

function onlyShipped(bom: Bom, shipped: ReadonlySet<string>): Bom {
  const components = bom.components.filter(({ purl }) => shipped.has(decodeURIComponent(purl)));
  const gone = new Set(bom.components.filter((each) => !components.includes(each)).map((each) => each['bom-ref']));
  const dependencies = bom.dependencies
    .filter(({ ref }) => !gone.has(ref))
    .map((each) => ({ ...each, dependsOn: each.dependsOn.filter((ref) => !gone.has(ref)) }));
  return { ...bom, components, dependencies };
}

const packages = installedBy(JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')));
const shipped = packages.filter(({ dev }) => !dev);
const advisories = audit();
const problems = [
  ...licenceProblems(packages, KNOWN_LICENCES),
  ...originProblems(packages),
  ...billOfMaterials(shipped),
  ...(advisories ?? []),
];
for (const problem of problems) console.error(problem);
if (advisories?.length === 0) console.log('Advisories: none that is high or critical.');
console.log(
  `${packages.length} packages, ${shipped.length} of them shipped: ${problems.length === 0 ? 'nothing is wrong' : `${problems.length} problems`}.`,
);
process.exitCode = problems.length > 0 || (advisories === undefined && values['require-audit']) ? 1 : 0;
