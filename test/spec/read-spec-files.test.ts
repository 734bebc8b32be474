import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readSpec } from '../../src/spec/read-spec.ts';
import { HEADER, MESH, problems, service, wrong } from './spec-files.ts';

describe('what is refused in a file', () => {
  it('no mesh, or two', () => {
    expect(problems([service('name: a\nport: 80\n')])).toEqual([expect.stringMatching(/^catalog.yaml:1 : no file holds the `Mesh`/)]);
    expect(problems([])).toHaveLength(1);
    const twice = [
      { path: 'a.yaml', text: MESH },
      { path: 'b.yaml', text: MESH },
    ];
    expect(problems(twice)).toEqual(['b.yaml:2 kind: the mesh is already described in a.yaml:3; a spec holds one `Mesh`']);
  });

  it('is not asked for where it may be in a file that is no YAML', () => {
    const found = problems([{ path: 'mesh.yaml', text: 'kind: Mesh\nname: [shop\n' }]);
    expect(found.length).toBeGreaterThan(0);
    expect(found.join()).not.toContain('no file holds the `Mesh`');
  });

  it('a service of a name that another file has', () => {
    const a = { ...service('name: catalog\nport: 80\n'), path: 'a.yaml' };
    expect(problems([{ path: 'mesh.yaml', text: MESH }, a, { ...a, path: 'b.yaml' }])).toEqual([
      'b.yaml:3 name: `catalog` is already described in a.yaml:3; a mesh has one service of a name',
    ]);
  });

  it('another version or kind', () => {
    const file = { path: 'a.yaml', text: 'apiVersion: v1\nkind: Servce\n' };
    expect(problems([{ path: 'mesh.yaml', text: MESH }, file])).toEqual([
      'a.yaml:1 apiVersion: say `apiVersion: meshwright.dev/v1`',
      'a.yaml:2 kind: say `kind: Mesh` or `kind: Service`; did you mean `Service`?',
    ]);
  });

  it('broken YAML, with its line; the documents around it are read on', () => {
    const text = `${MESH}---\n${HEADER}kind: Service\nname: [b\nport: 80\n---\n${HEADER}kind: Service\nname: c\nport: 0\n`;
    const found = problems([{ path: 'all.yaml', text }]);
    expect(found.at(-1)).toBe('all.yaml:16 port: give a number of at least 1');
    expect(found.length).toBeGreaterThan(1);
    for (const problem of found.slice(0, -1)) expect(problem).toMatch(/^all.yaml:(10|11|12) : this is not valid YAML/);
  });

  it('unknown tags, more than 1 MiB, more than 1000 documents', () => {
    const one = (text: string) =>
      problems([
        { path: 'mesh.yaml', text: MESH },
        { path: 'a.yaml', text },
      ]);
    expect(one(`${HEADER}kind: Service\nname: !secret a\nport: 80\n`)).toEqual([
      expect.stringMatching(/^a.yaml:3 : this is not valid YAML/),
    ]);
    expect(one(`# ${'x'.repeat(1024 * 1024)}`)).toEqual([expect.stringContaining('larger than 1 MiB')]);
    expect(one('---\na: 1\n'.repeat(1001))).toEqual([expect.stringContaining('more than 1000 documents')]);
  });

  it('half a character, which could be neither stored nor hashed, as a value or as a key', () => {
    const rest = 'port: 80\nroutes:\n  - name: beta\n    match:\n';
    const half = 'this text holds half a character (a lone surrogate); write it whole';
    expect(wrong(`name: a\n${rest}      headers: { x-group: "\\ud800" }\n`)).toEqual([`8 : ${half}`]);
    expect(wrong(`name: a\n${rest}      headers: { "\\udc00": b }\n`)).toEqual([`8 : ${half}`]);
    expect(wrong(`name: a\n${rest}      headers: { x-group: "\\ud83d\\ude00" }\n    version: v2\n`)).toEqual([]);
  });

  it('aliases that multiply', () => {
    const layers = Array.from(
      { length: 9 },
      (_, layer) =>
        `a${layer}: &a${layer} [${
          layer === 0
            ? 'x'
            : Array(10)
                .fill(`*a${layer - 1}`)
                .join(', ')
        }]`,
    );
    const found = problems([
      { path: 'mesh.yaml', text: MESH },
      { path: 'bomb.yaml', text: `${layers.join('\n')}\n` },
    ]);
    expect(found).toEqual(['bomb.yaml:1 : aliases (`*name`) repeat too much here; write the fields out']);
  });

  it('nesting without end', () => {
    const found = problems([
      { path: 'mesh.yaml', text: MESH },
      { path: 'deep.yaml', text: 'a: '.concat('['.repeat(100_000)) },
    ]);
    expect(found[0]).toBe('deep.yaml:1 : this is nested too deeply');
  });

  it('more problems than anyone reads', () => {
    const keys = Array.from({ length: 500 }, (_, index) => `unknown${index}: 1`);
    const found = wrong(`name: a\nport: 80\n${keys.join('\n')}\n`);
    expect(found).toHaveLength(101);
    expect(found.at(-1)).toContain('more problems');
  });
});

describe('readSpec', () => {
  it('never throws, whatever text comes', () => {
    const word = fc.constantFrom(
      'apiVersion: meshwright.dev/v1\n',
      'kind: Service\n',
      'kind: Mesh\n',
      'name: a\n',
      'port: 80\n',
      'routes:\n',
      '- ',
      '  ',
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a',
      '? ',
      ': ',
      '---\n',
      '"',
      '__proto__: ',
      '!!js ',
      '<<: ',
      '\n',
      '|\n',
      '%YAML 1.1\n',
      '\t',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fc.oneof(word, fc.string()), { maxLength: 30 }).map((words) => words.join('')),
    );
    fc.assert(
      fc.property(text, (each) => {
        const spec = readSpec([{ path: 'any.yaml', text: each }]);
        if (spec.ok) return;
        expect(spec.problems.length).toBeGreaterThan(0);
        for (const problem of spec.problems) expect(problem.line).toBeGreaterThanOrEqual(1);
      }),
      { numRuns: 500 },
    );
  });
});
