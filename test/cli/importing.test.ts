/** `meshwright import`: a spec that the other commands read, the report beside it, and nothing of others written over. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Ran, runCli } from './run-cli.ts';

const CASES = join(import.meta.dirname, '../import/cases');

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'meshwright-import-'));
});
afterEach(() => rm(directory, { recursive: true }));

const imports = (name: string, ...args: string[]): Promise<Ran> =>
  runCli(['import', join(CASES, name), '--out', 'spec', ...args], { directory });
const report = async () => JSON.parse(await readFile(join(directory, 'spec', 'import-report.json'), 'utf8'));

describe('import', () => {
  it('writes a spec that plan and export take, and a report for people and for machines', async () => {
    const { code, out, err } = await imports('istio', '--mesh', 'shop');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect((await readdir(join(directory, 'spec'), { recursive: true })).sort()).toEqual([
      'import-report.json',
      'import-report.txt',
      'mesh.yaml',
      'services',
      'services/catalog.yaml',
    ]);
    expect(out).toContain('SECURITY: who may call whom changes here');
    expect(await readFile(join(directory, 'spec', 'import-report.txt'), 'utf8')).toBe(
      `${out.slice(0, out.indexOf('\n\nThe spec and this report'))}\n`,
    );
    expect(await report()).toMatchObject({
      kind: 'Import',
      mesh: 'shop',
      from: ['istio'],
      to: 'istio',
      traffic: { catalog: { v1: 83, v2: 17 } },
    });
    expect(await runCli(['plan', 'spec'], { directory })).toMatchObject({ code: 0 });
    expect(await runCli(['export', '--mesh', 'spec', '--as', 'istio', '--out', 'exported'], { directory })).toMatchObject({ code: 0 });
  });

  it('says what the target refuses, and exits 3 with everything written', async () => {
    const { code, out, err } = await imports('osm', '--to', 'istio');
    expect(code).toBe(3);
    expect(err).toMatch(/^istio cannot say 1 of the things that the spec asks for/);
    expect(out).toMatch(/orders allow\.\d\.paths: REFUSED, .*\[PathExpressionInAllow\]/);
    expect(await report()).toMatchObject({ from: ['osm'], to: 'istio' });
    const refused = await runCli(['plan', 'spec'], { directory });
    expect(refused.code).toBe(3);
  });

  it('prints the report as JSON for scripts', async () => {
    const { out } = await imports('flagger', '--json');
    expect(JSON.parse(out)).toMatchObject({ kind: 'Import', files: expect.arrayContaining(['mesh.yaml', 'services/podinfo.yaml']) });
  });

  it('writes the same again, and nothing over what others wrote unless it is told to', async () => {
    await imports('istio');
    expect(await imports('istio')).toMatchObject({ code: 0 });
    await writeFile(join(directory, 'spec', 'services', 'catalog.yaml'), 'mine: true\n');
    const { code, err } = await imports('istio');
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/^Nothing is written: .*\nservices\/catalog\.yaml$/) });
    expect(await readFile(join(directory, 'spec', 'services', 'catalog.yaml'), 'utf8')).toBe('mine: true\n');
    expect(await imports('istio', '--force')).toMatchObject({ code: 0 });
    expect(await readFile(join(directory, 'spec', 'services', 'catalog.yaml'), 'utf8')).toContain('name: catalog');
  });

  it('names files that it cannot read, and imports the others', async () => {
    await writeFile(join(directory, 'broken.yaml'), 'kind: [unclosed\n');
    await writeFile(join(directory, 'list.json'), await readFile(join(CASES, 'consul', 'entries.json'), 'utf8'));
    const { code, out } = await runCli(['import', '.', '--out', 'spec', '--consul-default', 'deny'], { directory });
    expect(out).toMatch(/Could not be read:\n {2}broken.yaml: this is not valid YAML/);
    expect(code).toBe(3);
  });

  it.each([
    [['import', '--out', 'spec'], 2, /Say what is imported/],
    [['import', 'nowhere', '--out', 'spec'], 2, /There is no folder or file nowhere/],
    [['import', '.', '--out', 'spec'], 1, /There is no .yaml, .yml or .json file/],
    [['import', '--consul', 'http://127.0.0.1:1', '--out', 'spec'], 1, /gave no answer/],
  ])('%j ends with %i and a sentence', async (args, code, sentence) => {
    const ran = await runCli(args, { directory });
    expect(ran).toMatchObject({ code, err: expect.stringMatching(sentence) });
  });
});
