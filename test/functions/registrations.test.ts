/** What the build promises Azure: every function under its name, trigger and route, loaded from `dist/` as it ships. */
import { execFile } from 'node:child_process';
import { glob, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ROUTES } from '../../src/api/routes.ts';

const registrationsSchema = z.array(
  z.object({ name: z.string(), triggerType: z.string(), bindings: z.record(z.string(), z.looseObject({ type: z.string() })) }),
);
let registrations: z.infer<typeof registrationsSchema>;

beforeAll(async () => {
  // Nothing may be read from the environment at load: an empty one must do.
  const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', 'test/functions/collect.ts', 'dist'], { env: {} });
  registrations = registrationsSchema.parse(JSON.parse(stdout));
});

const triggerOf = (name: string) => {
  const registration = registrations.find((each) => each.name === name);
  return Object.values(registration?.bindings ?? {}).find(({ type }) => /trigger$/i.test(type));
};

describe('the built functions', () => {
  it('register every route of the table as it stands there, and no other', () => {
    const routes = registrations
      .filter(({ triggerType }) => triggerType === 'httpTrigger')
      .map(({ name }) => ({ name, methods: triggerOf(name)?.methods, route: triggerOf(name)?.route }));
    const table = Object.values(ROUTES).map(({ name, method, path }) => ({ name, methods: [method], route: path }));
    const inOrder = (of: readonly { name: string }[]) => of.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    expect(inOrder(routes)).toEqual(inOrder(table));
    expect(Object.keys(ROUTES)).toEqual(table.map(({ name }) => name));
  });

  it('register these besides, and no others', () => {
    const others = registrations.filter(({ triggerType }) => triggerType !== 'httpTrigger');
    expect(others.map(({ name, triggerType }) => `${name}: ${triggerType}`).sort()).toEqual([
      'alarms: queueTrigger',
      'anchorJournal: timerTrigger',
      'certificateInventory: timerTrigger',
      'deploymentEvents: eventGridTrigger',
      'driftTimer: timerTrigger',
      'measure: timerTrigger',
      'owedDriftTimer: timerTrigger',
      'queuedEvents: queueTrigger',
      'shadowTimer: timerTrigger',
      'streamJournal: timerTrigger',
      'sweep: timerTrigger',
    ]);
  });

  it('leave it to our own door who may come in, and register HTTP in one place, behind it', async () => {
    expect(
      registrations.map(({ name }) => triggerOf(name)?.authLevel).filter((level) => level !== undefined && level !== 'anonymous'),
    ).toEqual([]);
    const registering: string[] = [];
    for await (const file of glob('functions/**/*.ts')) {
      if (/\bapp\s*\.\s*(http|get|post|put|patch|deleteRequest|generic)\b/.test(await readFile(file, 'utf8'))) registering.push(file);
    }
    expect(registering).toEqual(['functions/http/route.ts']);
  });

  it('let in without asking who it is: for the page, for what may be asked, for health, and for a leaf by the token in the request', () => {
    const open = Object.values(ROUTES).filter(({ access }) => access.kind === 'open');
    expect(open.map(({ name }) => name).sort()).toEqual(['health', 'issueLeaf', 'openapi', 'page']);
  });

  it('look for drift each five minutes, and each minute where it is owed', () => {
    expect(triggerOf('driftTimer')).toMatchObject({ schedule: '30 */5 * * * *' });
    expect(triggerOf('owedDriftTimer')).toMatchObject({ schedule: '15 * * * * *' });
  });

  it('sweep each minute', () => {
    expect(triggerOf('sweep')).toMatchObject({ schedule: '0 * * * * *' });
  });

  it('take alarms, and events that Event Grid delivers privately, each from its queue', () => {
    expect(triggerOf('alarms')).toMatchObject({ queueName: 'alarms', connection: 'AzureWebJobsStorage' });
    expect(triggerOf('queuedEvents')).toMatchObject({ queueName: 'events', connection: 'AzureWebJobsStorage' });
  });
});
