/** `npm start` from a user's side: what it says, what it leaves behind, and what it goes on from. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openStateFile } from '../../src/adapters/state-file.ts';
import { realEnvoy } from '../real-envoy.ts';
import { type Home, home, type Start } from './npm-start.ts';
import { commandOf, isRunning } from './processes.ts';
import { until } from './until.ts';

const envoy = await realEnvoy();
const cleanUp: (() => Promise<unknown> | undefined)[] = [];

afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
});

async function newHome(): Promise<Home> {
  const made = await home();
  cleanUp.push(made.leave);
  return made;
}

const statusSchema = z.object({
  services: z.array(z.object({ stable: z.string(), rollout: z.object({ candidate: z.string(), step: z.number() }).nullable() })),
});

async function catalogOf(at: Home) {
  const response = await fetch(`${at.url}/status`);
  const [catalog] = statusSchema.parse(await response.json()).services;
  if (!catalog) throw new Error('There is no catalog.');
  return catalog;
}

const sameBytes = async (file: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(file))
    .digest('hex');

const noneRuns = (pids: readonly number[]) => until('no child is left', () => pids.every((pid) => !isRunning(pid)), 20_000);

describe.skipIf(!envoy)('npm start with Envoys', () => {
  it('brings up the sample mesh, goes on after kill -9 where it was, and ends whole', { timeout: 240_000 }, async () => {
    const at = await newHome();
    const began = performance.now();
    const first = at.start();
    await first.up();
    console.log(`up in ${Math.round(performance.now() - began)} ms`);
    const { stdout } = first.output();
    expect(stdout).toContain(`Open ${at.url}`);
    for (const command of ['deploy catalog v2', 'deploy catalog v2-broken', 'alert catalog', 'status']) {
      expect(stdout).toContain(`npx meshwright ${command}`);
    }
    const page = await fetch(`${at.url}/`);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain('<!doctype html>');

    const second = at.start();
    expect(await second.ended).toBe(1);
    expect(second.output().stdout).toBe('');
    expect(second.output().stderr).toMatch(/^meshwright is running already: .*\.\n$/);

    const envoys = envoysOf(first);
    expect(envoys).toHaveLength(4);
    const [victim = 0] = envoys;
    process.kill(victim, 'SIGKILL');
    await until('the Envoy that died is started again', () => !envoysOf(first).includes(victim) && envoysOf(first).length === 4);

    await at.meshwright('deploy', 'catalog', 'v2');
    const before = await until('the second step', async () => ((await catalogOf(at)).rollout?.step ?? 0) >= 2 && (await catalogOf(at)));
    const children = first.descendants();
    expect(children.length).toBeGreaterThan(6);
    first.kill();
    expect(await first.ended).toBe(null);
    await noneRuns(children);

    const third = at.start();
    await third.up();
    const after = await catalogOf(at);
    expect(after.rollout?.candidate ?? after.stable).toBe('v2');
    await until('the rollout goes on', async () => {
      const { stable, rollout } = await catalogOf(at);
      return stable === 'v2' || (rollout?.step ?? 0) > (before.rollout?.step ?? 0);
    });

    const last = third.descendants();
    third.interrupt();
    expect(await third.ended).toBe(0);
    expect(third.output().stderr).toBe('');
    await noneRuns(last);
  });

  const envoysOf = (start: Start): readonly number[] =>
    start.descendants().filter((pid) => /^\S*\/envoy --config-path/.test(commandOf(pid)));
});

describe('npm start without Envoys', () => {
  it('says so, goes on, and ends at Ctrl-C', async () => {
    const at = await newHome();
    const start = at.start('--without-envoys');
    await start.up();
    expect(start.output().stdout).toContain('Going on without Envoys');
    expect((await fetch(`${at.url}/health`)).status).toBe(200);
    const children = start.descendants();
    expect(children).toHaveLength(1);
    start.interrupt();
    expect(await start.ended).toBe(0);
    await noneRuns(children);
  });
});

describe('npm start on a state file it cannot use', () => {
  /** One sentence, exit code 1, nothing left running, and the file as it was. */
  async function isRefused(at: Home, sentence: RegExp): Promise<void> {
    const file = join(at.state, 'state.db');
    const before = await sameBytes(file);
    const start = at.start('--without-envoys');
    expect(await start.ended).toBe(1);
    expect(start.output().stderr).toMatch(sentence);
    expect(start.output().stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(await sameBytes(file)).toBe(before);
  }

  it('says in one sentence that it is damaged or not its own', async () => {
    const at = await newHome();
    await mkdir(at.state);
    const file = join(at.state, 'state.db');
    await writeFile(file, 'not a database, whatever it is called'.repeat(100));
    await isRefused(at, /state\.db is not a Meshwright state file; .*\.$/m);

    const damaged = await newHome();
    await mkdir(damaged.state);
    const path = join(damaged.state, 'state.db');
    openStateFile(path, 0).close();
    const bytes = await readFile(path);
    bytes.fill(0xff, 4096, 3 * 4096);
    await writeFile(path, bytes);
    await isRefused(damaged, /state\.db is damaged \(.*\); .*\.$/m);
  });

  it('says in one sentence that it is still busy after 5 s', async () => {
    const at = await newHome();
    await mkdir(at.state);
    const path = join(at.state, 'state.db');
    openStateFile(path, 0).close();
    const other = new DatabaseSync(path);
    cleanUp.push(async () => other.close());
    other.exec('BEGIN EXCLUSIVE');
    await isRefused(at, /state\.db is still locked by another program after 5 s; .*\.$/m);
  });
});
