/**
 * Every golden is taken by the real thing. With `GOLDEN_ACCEPT=1` what was taken is written to `test/golden/accepted.json`; goldens of
 * which the server is not here keep the record they have.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Acceptance, goldens, REFUSED, readAccepted, writeAccepted } from '../golden/acceptance.ts';
import { type Taker, takers } from './golden-takers.ts';

const all = goldens();
const taken = new Map<string, Acceptance>();
const byMesh = [...Map.groupBy(all, ({ mesh }) => mesh)];

describe.each(byMesh)('the goldens of %s', async (mesh, those) => {
  const taker = takers[mesh];
  const here = taker !== undefined && (await taker.have());
  const bare = those.filter(({ resources }) => resources.length === 0);
  const applied = those.filter(({ resources }) => resources.length > 0);
  for (const { file, sha256 } of bare) taken.set(file, { by: REFUSED, sha256 });

  it('have somebody to take them', () => {
    expect(Object.keys(takers)).toContain(mesh);
  });

  describe.skipIf(!here || applied.length === 0)('are taken', () => {
    let server: Taker;
    beforeAll(async () => {
      if (taker) server = await taker.start();
    });
    afterAll(() => server?.stop());

    it.each(applied)('$file', async (golden) => {
      await server.take(golden);
      taken.set(golden.file, { by: server.by, sha256: golden.sha256 });
    });
  });
});

afterAll(() => {
  if (process.env.GOLDEN_ACCEPT !== '1') return;
  const files = new Set(all.map(({ file }) => file));
  const before = Object.entries(readAccepted()).filter(([file]) => files.has(file));
  writeAccepted({ ...Object.fromEntries(before), ...Object.fromEntries(taken) });
});
