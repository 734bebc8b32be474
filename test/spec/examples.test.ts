/** What we show people can be applied: the blocks of docs/spec.md and the files of examples/. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSpec } from '../../src/spec/read-spec.ts';

const root = join(import.meta.dirname, '..', '..');

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
    expect(readSpec(files)).toMatchObject({ ok: true });
  });
});

describe('examples/', () => {
  const folders = readdirSync(join(root, 'examples'));

  it.each(folders)('%s can be applied', (folder) => {
    const names = readdirSync(join(root, 'examples', folder)).filter((name) => name.endsWith('.yaml'));
    expect(readSpec(names.map((path) => ({ path, text: readFileSync(join(root, 'examples', folder, path), 'utf8') })))).toMatchObject({
      ok: true,
    });
  });
});
