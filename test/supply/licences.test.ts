/** What is installed, from where and under which licence: of this project's own lock file, and of some that break each rule. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { KNOWN_LICENCES } from './known-licences.ts';
import { type Installed, installedBy, isAllowed, licenceProblems, originProblems } from './licences.ts';

const lock: unknown = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8'));
const one: Installed = {
  name: 'left',
  version: '1.0.0',
  licence: 'MIT',
  dev: false,
  resolved: '',
  integrity: 'sha512-x',
};

describe('what this project installs', () => {
  const packages = installedBy(lock);

  it('is under licences that ask for no more than a notice', () => {
    expect(packages.length).toBeGreaterThan(100);
    expect(licenceProblems(packages, KNOWN_LICENCES)).toEqual([]);
  });

  it('comes from a registry as it was locked', () => {
    expect(originProblems(packages)).toEqual([]);
  });

  it('has no licence written down that nobody needs', () => {
    const silent = packages.filter(({ licence }) => licence === '').map(({ name, version }) => `${name}@${version}`);
    expect(Object.keys(KNOWN_LICENCES).filter((name) => !silent.includes(name))).toEqual([]);
  });
});

describe('a package', () => {
  it.each<readonly [string, Partial<Installed>]>([
    ['says no licence', { licence: '' }],
    ['is under one that reaches further', { licence: 'GPL-3.0-only' }],
    ['is under one that is allowed of tools alone', { licence: 'MPL-2.0' }],
    ['is under a text of its own', { licence: 'SEE LICENSE IN LICENSE.txt' }],
  ])('is named when it %s', (_what, fields) => {
    expect(licenceProblems([{ ...one, ...fields }], {})).toEqual([expect.stringContaining('left@1.0.0')]);
  });

  it.each<readonly [string, Partial<Installed>]>([
    ['comes from a repository', { resolved: 'git+ssh://git@github.com/left/left.git#abc' }],
    ['comes from one registry and no other', { resolved: 'https://registry.example/left-1.0.0.tgz' }],
    ['is locked by nothing', { integrity: '' }],
    ['is locked by SHA-1', { integrity: 'sha1-x' }],
  ])('is named when it %s', (_what, fields) => {
    expect(originProblems([{ ...one, ...fields }])).toHaveLength(1);
    expect(originProblems([one])).toEqual([]);
  });

  it('may be a tool under the MPL', () => {
    expect(licenceProblems([{ ...one, licence: 'MPL-2.0', dev: true }], {})).toEqual([]);
  });
});

describe('a licence expression', () => {
  it.each([
    ['MIT', true],
    ['(MIT OR GPL-3.0)', true],
    ['MIT AND GPL-3.0', false],
    ['(Apache-2.0 AND BSD-3-Clause)', true],
    ['(GPL-2.0 OR MIT) AND ISC', true],
    ['(GPL-2.0 OR LGPL-3.0) AND ISC', false],
    ['mit', false],
    ['', false],
  ])('%j: %s', (expression, allowed) => {
    expect(isAllowed(expression, ['MIT', 'ISC', 'Apache-2.0', 'BSD-3-Clause'])).toBe(allowed);
  });
});
