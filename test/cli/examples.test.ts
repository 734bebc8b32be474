/** What the examples are there to show: one spec that every mesh can say, and one that each refuses by name. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { DATA_PLANE_KINDS } from '../../src/spec/schema.ts';
import { runCli } from './run-cli.ts';

const ROOT = join(import.meta.dirname, '../..');
const reportSchema = z.object({
  as: z.string(),
  files: z.record(z.string(), z.string()),
  entries: z.array(
    z.object({
      service: z.string(),
      field: z.string(),
      where: z.string(),
      judgement: z.object({ kind: z.string(), code: z.string().optional() }),
    }),
  ),
});

let out: string;
beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), 'meshwright-examples-'));
});
afterAll(() => rm(out, { recursive: true }));

async function exported(example: string, as: string) {
  const folder = join(out, `${example}-${as}`);
  const ran = await runCli(['export', '--mesh', `examples/${example}`, '--as', as, '--out', folder], { directory: ROOT });
  const report = reportSchema.parse(JSON.parse(await readFile(join(folder, 'fidelity.json'), 'utf8')));
  return { ...ran, report, files: (await readdir(folder)).sort() };
}

describe.each(DATA_PLANE_KINDS)('as %s', (kind) => {
  it('examples/shop is exported whole: every service, and nothing refused', async () => {
    const { code, err, report, files } = await exported('shop', kind);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(report.as).toBe(kind);
    expect(report.entries.map(({ judgement }) => judgement.kind)).not.toContain('refused');
    expect(files).toEqual([...Object.keys(report.files), 'fidelity.json'].sort());
    for (const service of ['web', 'catalog', 'checkout', 'payments', 'recommendations']) {
      expect(report.entries.some((entry) => entry.service === service)).toBe(true);
      expect(files.some((name) => name.includes(service))).toBe(true);
    }
  });

  it('examples/refused writes only the report, names each refusal with its line and code, and exits 3', async () => {
    const { code, out: said, err, report, files } = await exported('refused', kind);
    expect({ code, said, files, listed: report.files }).toEqual({ code: 3, said: '', files: ['fidelity.json'], listed: {} });
    const [, ...named] = err.split('\n');
    for (const line of named)
      expect(line).toMatch(/^examples\/refused\/(mesh|ledger|quotes)\.yaml:\d+:\d+: [\w.[\]-]+: .* \[[A-Z][A-Za-z]+\]$/);
    const codes = report.entries.flatMap(({ judgement }) => judgement.code ?? []);
    expect(codes.length).toBeGreaterThanOrEqual(2);
    expect(new Set(named.map((line) => /\[([A-Za-z]+)\]$/.exec(line)?.[1]))).toEqual(new Set(codes));
  });
});
