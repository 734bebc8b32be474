/** The reader of templates: what it makes of them, and that it refuses, with file and line, all that it does not know. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deployed, EVERYTHING, LEAST, PLACE, readInfra } from '../templates.ts';
import { readTemplate, unusedNames } from './declarations.ts';
import { deploy } from './deployment.ts';
import { parseBicep } from './syntax.ts';
import type { ValueObject } from './values.ts';

const FILES = readdirSync(join(import.meta.dirname, '../../../infra')).filter((file) => file.endsWith('.bicep'));
const GROUP = { ...PLACE, resourceGroup: 'rg' };
const made = (text: string, given: ValueObject = {}, files: Readonly<Record<string, string>> = {}) =>
  deploy((file) => (file === 'made.bicep' ? text : (files[file] ?? '')), 'made.bicep', given, GROUP);
const output = (expression: string, before = '') => made(`${before}\noutput o string = ${expression}`).outputs.o;

describe('a template', () => {
  it.each(FILES)('of infra/ can be read, and declares nothing that it does not use: %s', (file) => {
    expect(unusedNames(readTemplate(readInfra(file), file))).toEqual([]);
  });

  it('of infra/ is deployed by main.bicep, each of them', () => {
    const deployedFiles = new Set(deployed(EVERYTHING).resources.map(({ file }) => file));
    expect(FILES.filter((file) => !deployedFiles.has(file))).toEqual([]);
  });

  it('makes its resources under the ids that Azure gives them', () => {
    const { resources } = made(`
      resource account 'A.B/accounts@1' = {
        name: 'one'
      }
      resource child 'A.B/accounts/things@1' = [for name in ['x', 'y']: {
        parent: account
        name: name
      }]
      resource role 'A.C/roles@1' = if (false || true) {
        name: 'r'
        scope: account
      }
      resource never 'A.C/roles@1' = if (!true) {
        name: 'n'
      }`);
    const base = `/subscriptions/${PLACE.subscriptionId}/resourceGroups/rg/providers/A.B/accounts/one`;
    expect(resources.map(({ id }) => id)).toEqual([base, `${base}/things/x`, `${base}/things/y`, `${base}/providers/A.C/roles/r`]);
  });

  it('hands values to its modules, and takes their outputs', () => {
    const files = { 'inner.bicep': 'param a string\noutput b string = toLower(a)' };
    const main = `module m './inner.bicep' = {\n name: 'm'\n params: {\n a: 'X'\n }\n}\noutput o string = 'got \${m.outputs.b}'`;
    expect(made(main, {}, files).outputs.o).toBe('got x');
  });

  it('stands for what only Azure knows by what is asked of which resource', () => {
    const account = "resource account 'A.B/accounts@1' existing = {\n name: 'one'\n}";
    expect(output(`'at \${account.properties.endpoint.url}'`, account)).toMatch(
      /^at \{\/subscriptions\/.*\/accounts\/one#properties\.endpoint\.url\}$/,
    );
  });
});

describe('a template is refused', () => {
  const RESOURCE = "resource r 'A.B/c@1' = {\n name: 'n'\n";
  it.each([
    ['that is not Bicep', 'resource r = {', /made\.bicep:1: is not Bicep/],
    ['with a function that is not known', 'var a = fancy(1)\noutput o string = a', /made\.bicep:1: fancy is a function that is not known/],
    ['with a name that is declared nowhere', 'output o string = nothing', /nothing is declared nowhere/],
    ['with a decorator that is not known', '@sys()\nparam a string = ""', /made\.bicep:/],
    ['with two properties on one line', "var a = { b: 1 c: 2 }\noutput o string = ''", /needs a comma or a new line/],
    ['with a property twice', `${RESOURCE} name: 'm'\n a: {\n b: 1\n b: 2\n }\n}`, /is there twice/],
    ['where the dot binds otherwise for the compiler', "var a = true ? '' : resourceGroup().id\noutput o string = a", /needs parentheses/],
    ['with a parameter that is not given', 'param a string', /a has to be given/],
    ['with a parameter of another type', 'param a int = true', /a is int, not bool/],
    ['with a parameter that is out of bounds', "@maxLength(2)\nparam a string = 'abc'", /out of bounds/],
    [
      'with a child of something else',
      "resource p 'A.B/c@1' = {\n name: 'p'\n}\nresource r 'A.X/c/d@1' = {\n parent: p\n name: 'n'\n}",
      /is no child of A\.B\/c/,
    ],
    ['with a child without a parent', "resource r 'A.B/c/d@1' = {\n name: 'n'\n}", /needs a parent/],
    ['that needs itself', 'var a = b\nvar b = a\noutput o string = a', /needs itself/],
    ['with a module that is no file beside it', "module m 'br/public:avm/x:1' = {\n name: 'm'\n}", /is no file beside this one/],
    [
      'with a name that is only known afterwards',
      "resource a 'A.B/c@1' = {\n name: 'a'\n}\nresource b 'A.B/c@1' = {\n name: a.properties.x\n}",
      /is not known when the deployment begins/,
    ],
  ] as const)('%s', (_what, text, said) => {
    expect(() => made(text)).toThrow(said);
  });

  it('whose parameters it does not have', () => {
    expect(() => made('', { b: 1 })).toThrow(/b is no parameter of it/);
    expect(() => deploy(readInfra, 'main.bicep', { ...LEAST, cosmosAccountType: 'free' }, PLACE)).toThrow(
      /cosmosAccountType may not be free/,
    );
  });
});

describe('the grammar', () => {
  it('has the whole of a template, with comments', () => {
    expect(parseBicep("// why\nvar a = 'b' // c\n", 'made.bicep').hasError).toBe(false);
  });
});
