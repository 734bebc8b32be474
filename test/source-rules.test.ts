/** What a file of the product may touch, how long it may be and what it may be called; each rule is shown to catch one that breaks it. */
import { describe, expect, it } from 'vitest';
import { ambientProblems, azureProblems, importsOf, shapeProblems } from './import-rules.ts';
import { importing, made, product } from './product-files.ts';

describe("Azure's SDKs", () => {
  it('are imported where Azure begins, and nowhere else', () => {
    expect(product.flatMap(azureProblems)).toEqual([]);
    expect(product.some((file) => importsOf(file).includes('@azure/functions'))).toBe(true);
  });

  it('are caught elsewhere', () => {
    for (const path of ['src/app.ts', 'src/journal/new.ts', 'src/local/new.ts'])
      expect(azureProblems(importing(path, '@azure/cosmos'))).toHaveLength(1);
    for (const path of ['functions/new.ts', 'src/azure.ts', 'src/adapters/new.ts'])
      expect(azureProblems(importing(path, '@azure/cosmos'))).toEqual([]);
  });
});

describe('clock, chance, timers and environment', () => {
  it('come into the domain as data', () => {
    expect(product.flatMap(ambientProblems)).toEqual([]);
  });

  it.each([
    'const now = Date.now();',
    'const now = new Date();',
    'const coin = Math.random();',
    'const id = randomUUID();',
    'const id = crypto.randomUUID();',
    'setTimeout(run, 5);',
    'setInterval(run, 5);',
    "const key = process.env.KEY ?? '';",
    'const t = performance.now();',
  ])('are caught in it: %s', (line) => {
    for (const path of ['src/rollouts/new.ts', 'src/journal/new.ts', 'src/dataplanes/istio/render.ts'])
      expect(ambientProblems(made(path, `/** Made up. */\n${line}\n`))).toHaveLength(1);
    expect(ambientProblems(made('src/local/new.ts', line))).toEqual([]);
  });

  it('may be spoken of, and a given time may be read', () => {
    const text = '/** Date.now() is not called here. */\n// nor is Math.random\nconst iso = new Date(at).toISOString();';
    expect(ambientProblems(made('src/rollouts/new.ts', text))).toEqual([]);
  });
});

describe('a file', () => {
  it('is of a size to be read at once, named for what it is about, and says so first', () => {
    expect(product.flatMap(shapeProblems)).toEqual([]);
  });

  it('is caught when it is too long, nameless or without a first comment', () => {
    expect(shapeProblems(made('src/plan/new.ts', `/** Made up. */${'\n'.repeat(350)}x`))).toEqual(['src/plan/new.ts has 351 lines']);
    expect(shapeProblems(made('src/plan/new.ts', `/** Made up. */${'\n'.repeat(349)}x\n`))).toEqual([]);
    expect(shapeProblems(made('src/plan/new.ts', 'export const a = 1;'))).toHaveLength(1);
    for (const path of [
      'src/utils/a.ts',
      'src/plan/plan-helpers.ts',
      'src/common.ts',
      'src/rollouts/RolloutManager.ts',
      'src/rollouts/rollout-manager.ts',
    ])
      expect(shapeProblems(made(path, '/** Made up. */')), path).toHaveLength(1);
  });
});
