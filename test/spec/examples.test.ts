/** What we show people can be applied: the blocks of docs/spec.md and the files of examples/. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSpec, type SpecFile } from '../../src/spec/read-spec.ts';
import { refusedProblems, specFidelity } from '../../src/spec-fidelity.ts';

const root = join(import.meta.dirname, '..', '..');

function whyNot(files: readonly SpecFile[]) {
  const spec = readSpec(files);
  return spec.ok ? refusedProblems(specFidelity(spec.mesh, spec.services), spec.places) : spec.problems;
}

describe('what the documentation shows', () => {
  const blocks = [...readFileSync(join(root, 'docs/spec.md'), 'utf8').matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text);
  const [mesh = '', ...services] = blocks;

  it('is a mesh and services', () => {
    expect(mesh).toContain('kind: Mesh');
    expect(services.length).toBeGreaterThanOrEqual(2);
  });

  it.each(services)('can be applied %#', (text) => {
    const files = [
      { path: 'mesh.yaml', text: mesh },
      { path: 'service.yaml', text },
    ];
    expect(whyNot(files)).toEqual([]);
  });
});

describe('examples/', () => {
  const folders = readdirSync(join(root, 'examples')).filter((folder) => folder !== 'pipelines');

  it.each(folders)('%s can be applied, or is there to be refused', (folder) => {
    const names = readdirSync(join(root, 'examples', folder)).filter((name) => name.endsWith('.yaml'));
    const problems = whyNot(names.map((path) => ({ path, text: readFileSync(join(root, 'examples', folder, path), 'utf8') })));
    expect(problems.filter(({ refusal }) => refusal === undefined)).toEqual([]);
    expect(problems.length > 0).toBe(folder === 'refused');
  });
});
