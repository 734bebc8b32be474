/** What infra/ makes is what the code needs, and nothing else; whatever is taken away or added on either side is found. */
import { beforeAll, describe, expect, it } from 'vitest';
import { missingClusterRole, missingDocumentsRole } from '../../src/adapters/missing-role.ts';
import { problemsOf } from './audit/whole.ts';
import type { Deployed } from './bicep/deployment.ts';
import { isList, isObject, type Value, type ValueObject, valueAt } from './bicep/values.ts';
import { type CodeFacts, codeFacts } from './code-facts.ts';
import { NOT_YET_USED } from './not-yet-used.ts';
import { deployed, EVERYTHING, LEAST, PUBLIC } from './templates.ts';

let facts: CodeFacts;
beforeAll(async () => {
  facts = await codeFacts();
});

const variants: readonly (readonly [string, ValueObject])[] = [
  ['with nothing switched on', LEAST],
  ['in public', PUBLIC],
  ['with everything', EVERYTHING],
];

const NAMED_BY_THE_CODE = [
  'Microsoft.Web/sites',
  'Microsoft.Web/sites/config',
  'Microsoft.Storage/storageAccounts',
  'Microsoft.Storage/storageAccounts/queueServices/queues',
  'Microsoft.Storage/storageAccounts/blobServices/containers',
  'Microsoft.DocumentDB/databaseAccounts',
  'Microsoft.DocumentDB/databaseAccounts/sqlDatabases',
  'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers',
];

describe.each(variants)('what is deployed %s', (_name, parameters) => {
  it('is what the code needs, and nothing else', () => {
    expect(problemsOf(deployed(parameters).resources, facts, parameters)).toEqual([]);
  });

  it('is not enough without any one of its resources', () => {
    const { resources } = deployed(parameters);
    const unnoticed = resources.filter(
      (missing) =>
        problemsOf(
          resources.filter((each) => each !== missing),
          facts,
          parameters,
        ).length === 0,
    );
    expect(resources.length).toBeGreaterThan(50);
    expect(unnoticed.map(({ file, symbol }) => `${file} ${symbol}`)).toEqual([]);
  });

  it('is not right with another name for what the code names', () => {
    const { resources } = deployed(parameters);
    const named = resources.filter(({ type }) => NAMED_BY_THE_CODE.includes(type));
    expect(named.length).toBeGreaterThan(8);
    for (const one of named) {
      const renamed = { ...one, name: `${one.name}-other`, id: `${one.id}-other` };
      const others = resources.map((each) => (each === one ? renamed : each));
      expect(problemsOf(others, facts, parameters), one.symbol).not.toEqual([]);
    }
  });
});

describe('the settings of the functions', () => {
  const withSettings = (change: (settings: ValueObject) => ValueObject): readonly Deployed[] =>
    deployed(EVERYTHING).resources.map((each) => {
      const settings = each.name === 'appsettings' ? valueAt(each.body, 'properties') : undefined;
      return isObject(settings) ? { ...each, body: { ...each.body, properties: change(settings) } } : each;
    });
  const without = (settings: ValueObject, name: string): ValueObject =>
    Object.fromEntries(Object.entries(settings).filter(([each]) => each !== name));

  it('are missed one by one', () => {
    const names = Object.keys(valueAt(deployed(EVERYTHING).resources.find(({ name }) => name === 'appsettings')?.body, 'properties') ?? {});
    expect(names.length).toBeGreaterThan(15);
    for (const name of names) {
      const problems = problemsOf(
        withSettings((settings) => without(settings, name)),
        facts,
        EVERYTHING,
      );
      expect(problems.join('\n'), name).toContain(name);
    }
  });

  it('are not more than are read', () => {
    const problems = problemsOf(
      withSettings((settings) => ({ ...settings, MESHWRIGHT_NEW: '1' })),
      facts,
      EVERYTHING,
    );
    expect(problems).toEqual(['infra sets MESHWRIGHT_NEW, which nothing reads']);
  });
});

describe('a change of the code alone', () => {
  const problems = (changed: Partial<CodeFacts>) =>
    problemsOf(deployed(EVERYTHING).resources, { ...facts, ...changed }, EVERYTHING).join('\n');
  const queue = { function: 'letters', triggerType: 'queueTrigger', queueName: 'letters', connection: 'AzureWebJobsStorage' };

  it('is found: a queue that a function takes from', () => {
    expect(problems({ triggers: [...facts.triggers, queue] })).toMatch(/queues letters .*there is none[\s\S]*queues letters-poison/);
  });

  it('is found: a function that is gone, by its queue, its subscription, its route and its rule', () => {
    const without = (name: string) => problems({ triggers: facts.triggers.filter((trigger) => trigger.function !== name) });
    expect(without('alarms')).toContain('nothing needs queues');
    expect(without('queuedEvents')).toContain('which no function takes');
    expect(without('alerts')).toContain('which is no route that takes them');
    expect(without('sweep')).toContain('a rule counts calls of sweep, which is no function');
    const gone = facts.triggers.filter((trigger) => trigger.function !== 'deploymentEvents');
    expect(problemsOf(deployed(PUBLIC).resources, { ...facts, triggers: gone }, PUBLIC).join('\n')).toContain(
      'which no function with an Event Grid trigger is',
    );
  });

  it('is found: a setting, here and in the sample', () => {
    const said = problems({ settings: [...facts.settings, 'MESHWRIGHT_NEW'] });
    expect(said).toContain('the setting MESHWRIGHT_NEW is read and infra does not set it');
    expect(said).toContain('the setting MESHWRIGHT_NEW is not in local.settings.sample.json');
    expect(problems({ sampleSettings: [...facts.sampleSettings, 'MESHWRIGHT_OLD'] })).toContain('MESHWRIGHT_OLD, which nothing reads');
  });

  it('is found: another layout of the container, another group of objects, another kind that is looked at', () => {
    expect(problems({ container: { defaultTtl: 5 } })).toContain('the layout of the container');
    expect(problems({ meshGroups: [...facts.meshGroups, 'new.example.com'] })).toContain('the groups of custom resources');
    expect(problems({ coreKinds: [...facts.coreKinds, 'batch/jobs'] })).toContain('batch/jobs are looked at');
  });

  it('is found: requests that are sampled, a field that is not measured', () => {
    expect(problems({ unsampled: ['Exception'] })).toContain('host.json samples requests');
    expect(problems({ measuredFields: ['certificatesLate', 'stuckForSeconds'] })).toContain(
      'certificateEndsInSeconds, which is not measured',
    );
  });
});

describe('a change of one value', () => {
  /** Every copy of a value in which one list is shorter by one, or one switch turned. */
  function variantsOf(value: Value): readonly Value[] {
    if (typeof value === 'boolean') return [!value];
    if (isList(value))
      return value.flatMap((element, at) => [
        value.filter((_each, index) => index !== at),
        ...variantsOf(element).map((changed) => value.map((each, index) => (index === at ? changed : each))),
      ]);
    if (isObject(value))
      return Object.entries(value).flatMap(([name, each]) => variantsOf(each).map((changed) => ({ ...value, [name]: changed })));
    return [];
  }

  it.each([
    'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers',
    'Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions',
    'Microsoft.EventGrid/systemTopics/eventSubscriptions',
    'Microsoft.OperationalInsights/workspaces/tables',
    'Microsoft.Network/privateEndpoints',
    'Microsoft.KeyVault/vaults',
  ])('of %s is found: a list that is shorter, a switch that is turned', (type) => {
    const { resources } = deployed(EVERYTHING);
    const tried = resources
      .filter((each) => each.type === type)
      .flatMap((one) => variantsOf(one.body).map((body) => ({ one, changed: { ...one, body: isObject(body) ? body : {} } })));
    const unnoticed = tried.filter(
      ({ one, changed }) =>
        problemsOf(
          resources.map((each) => (each === one ? changed : each)),
          facts,
          EVERYTHING,
        ).length === 0,
    );
    // Which operations of a subscription are watched is for people to say.
    const free = unnoticed.filter(({ changed }) => valueAt(changed.body, 'properties', 'filter', 'advancedFilters') === undefined);
    expect(tried.length).toBeGreaterThan(2);
    expect(free.map(({ changed }) => JSON.stringify(changed.body))).toEqual([]);
  });
});

describe('a refusal that names a role', () => {
  const [cluster] = isList(EVERYTHING.clusterIds) ? EVERYTHING.clusterIds.map(String) : [];
  it.each([
    ['of Cosmos DB', missingDocumentsRole('account', 'who')],
    ['of a cluster', missingClusterRole(cluster ?? '', 'cannot list resource "virtualservices"')],
    ['of a control plane', missingClusterRole(cluster ?? '', 'cannot get resource "secrets" in the namespace "istio-system"')],
  ])('%s names one that infra makes', (_what, said) => {
    const [, named = '?'] = /lacks the role "([^"]+)"/.exec(said) ?? [];
    const made = deployed(EVERYTHING).resources.map(({ body }) => valueAt(body, 'properties', 'roleName'));
    expect(made.filter((name) => typeof name === 'string' && (name === named || name.startsWith(`${named} (`)))).toHaveLength(1);
  });
});

describe('what is made for code that is not there yet', () => {
  it('is made', () => {
    const { resources } = deployed(EVERYTHING);
    for (const { file, symbols } of NOT_YET_USED)
      for (const symbol of symbols)
        expect(
          resources.some((each) => each.file === file && each.symbol === symbol),
          `${file} ${symbol}`,
        ).toBe(true);
  });

  it.each(NOT_YET_USED.map((entry) => [entry.because, entry] as const))('is still not used: %s', (_because, { isUsed }) => {
    expect(isUsed(facts), 'the code is there: take it from test/infra/not-yet-used.ts, and audit that infra/ fits it').toBe(false);
  });
});
