/**
 * What the lock file installs, and under which licences. Read from package-lock.json (lockfileVersion 3), whose entries carry the licence, the
 * place and the integrity of each package; licence expressions are those of SPDX 2.3, annex D, as far as packages use them.
 */
import { z } from 'zod';

export interface Installed {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression; '' where the package says none. */
  readonly licence: string;
  /** Only to build and to test: nothing of it is shipped. */
  readonly dev: boolean;
  /** Where it comes from, when that is no registry. */
  readonly resolved: string;
  readonly integrity: string;
}

const entrySchema = z.object({
  name: z.string().optional(),
  version: z.string().default(''),
  license: z.string().default(''),
  dev: z.boolean().default(false),
  devOptional: z.boolean().default(false),
  resolved: z.string().default(''),
  integrity: z.string().default(''),
});
const lockSchema = z.object({ lockfileVersion: z.literal(3), packages: z.record(z.string(), entrySchema) });

/** Throws on what is no lock file of this version. */
export function installedBy(lock: unknown): readonly Installed[] {
  return Object.entries(lockSchema.parse(lock).packages)
    .filter(([path]) => path !== '')
    .map(([path, { name, version, license, dev, devOptional, resolved, integrity }]) => ({
      name: name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version,
      licence: license,
      dev: dev || devOptional,
      resolved,
      integrity,
    }));
}

/** They ask for a notice at most, which the package itself carries. */
const SHIPPED = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'PSF-2.0',
  'Python-2.0',
  'Unlicense',
  'Zlib',
];
/** Tools that are run and not linked to. */
const TOOLS = [...SHIPPED, 'MPL-2.0'];

export function licenceProblems(packages: readonly Installed[], known: Readonly<Record<string, string>>): readonly string[] {
  return packages.flatMap(({ name, version, licence, dev }) => {
    const said = licence || (known[`${name}@${version}`] ?? '');
    const allowed = dev ? TOOLS : SHIPPED;
    if (said === '') return [`${name}@${version} says no licence: look it up, and write it down or do without the package.`];
    return isAllowed(said, allowed)
      ? []
      : [`${name}@${version} is under ${said}, which is not allowed ${dev ? 'of tools' : 'in what is shipped'}.`];
  });
}

/** What is not the file that was locked could be anything. The lock file names no registry: whichever is asked has to give that file. */
export const originProblems = (packages: readonly Installed[]): readonly string[] =>
  packages.flatMap(({ name, version, resolved, integrity }) =>
    resolved === '' && integrity.startsWith('sha512-') ? [] : [`${name}@${version} is not locked to a file of a registry by its SHA-512.`],
  );

/** `A AND B` needs both, `A OR B` one; brackets group. */
export function isAllowed(expression: string, allowed: readonly string[]): boolean {
  const inner = /\(([^()]*)\)/.exec(expression);
  if (inner) {
    const verdict = isAllowed(inner[1] ?? '', allowed) ? (allowed[0] ?? '') : 'NONE';
    return isAllowed(`${expression.slice(0, inner.index)}${verdict}${expression.slice(inner.index + inner[0].length)}`, allowed);
  }
  return expression.split(/\s+OR\s+/).some((choice) => choice.split(/\s+AND\s+/).every((each) => allowed.includes(each.trim())));
}
