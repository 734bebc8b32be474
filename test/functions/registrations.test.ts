/** What the build promises Azure: every function under its name, trigger, route and key, loaded from `dist/` as it ships. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';

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
  it('register under these names and triggers, and no others', () => {
    const listed = registrations.map(({ name, triggerType }) => `${name}: ${triggerType}`).sort();
    expect(listed).toEqual([
      'alarms: queueTrigger',
      'alerts: httpTrigger',
      'apply: httpTrigger',
      'certificateInventory: timerTrigger',
      'certificates: httpTrigger',
      'deploymentEvents: eventGridTrigger',
      'drift: httpTrigger',
      'driftTimer: timerTrigger',
      'events: httpTrigger',
      'health: httpTrigger',
      'issueLeaf: httpTrigger',
      'lookAtShadow: httpTrigger',
      'lookForDrift: httpTrigger',
      'makeJoinToken: httpTrigger',
      'meshJournal: httpTrigger',
      'metrics: httpTrigger',
      'observations: httpTrigger',
      'overview: httpTrigger',
      'owedDriftTimer: timerTrigger',
      'page: httpTrigger',
      'parked: httpTrigger',
      'parkedOne: httpTrigger',
      'rotate: httpTrigger',
      'rotationPlan: httpTrigger',
      'service: httpTrigger',
      'serviceJournal: httpTrigger',
      'shadow: httpTrigger',
      'shadowTimer: timerTrigger',
      'spec: httpTrigger',
      'startRollout: httpTrigger',
      'status: httpTrigger',
      'stepIn: httpTrigger',
      'stepIntoRotation: httpTrigger',
      'sweep: timerTrigger',
      'trustJournal: httpTrigger',
    ]);
  });

  it('let nobody without a key see or change anything; a leaf is given for the token in the request', () => {
    const open = registrations.filter(({ name }) => triggerOf(name)?.authLevel === 'anonymous').map(({ name }) => name);
    expect(open.sort()).toEqual(['health', 'issueLeaf', 'page']);
  });

  it('look for drift each five minutes, and each minute where it is owed', () => {
    expect(triggerOf('driftTimer')).toMatchObject({ schedule: '30 */5 * * * *' });
    expect(triggerOf('owedDriftTimer')).toMatchObject({ schedule: '15 * * * * *' });
  });

  it('sweep each minute', () => {
    expect(triggerOf('sweep')).toMatchObject({ schedule: '0 * * * * *' });
  });

  it('take alarms from their queue', () => {
    expect(triggerOf('alarms')).toMatchObject({ queueName: 'alarms', connection: 'AzureWebJobsStorage' });
  });
});
