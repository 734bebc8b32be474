/** What `azd up` goes through: parameters that the templates have, a region that runs this Node, and a package that needs nothing else. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { regionProblem } from '../../infra/check-region.ts';
import { packageFunctions } from '../../infra/package-functions.ts';
import { readTemplate } from './bicep/declarations.ts';
import { codeFacts } from './code-facts.ts';
import { deployed, EVERYTHING, LEAST, PUBLIC, readInfra } from './templates.ts';

const ROOT = join(import.meta.dirname, '../..');
const file = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');

describe('what azd is told', () => {
  const azure = z.object({
    name: z.string(),
    infra: z.object({ provider: z.literal('bicep'), path: z.string(), module: z.string() }),
    services: z.record(z.string(), z.object({ project: z.string(), language: z.string(), host: z.string(), remoteBuild: z.boolean() })),
    hooks: z.record(z.string(), z.object({ shell: z.string(), run: z.string() })),
  });

  it('is where the templates and the package are, under the name that the app has', async () => {
    const told = azure.parse(parse(await file('azure.yaml')));
    expect(readInfra(`${told.infra.module}.bicep`)).toContain("targetScope = 'subscription'");
    const app = deployed(LEAST).resources.find(({ type }) => type === 'Microsoft.Web/sites');
    expect(Object.keys(told.services)).toEqual([z.object({ 'azd-service-name': z.string() }).parse(app?.body.tags)['azd-service-name']]);
    expect(told.services.functions).toMatchObject({ project: './build/azure', host: 'function', remoteBuild: false });
  });

  it('runs scripts that there are, and subscribes Event Grid after the first deployment', async () => {
    const { hooks } = azure.parse(parse(await file('azure.yaml')));
    const scripts = z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(await file('package.json'))).scripts;
    const commands = Object.values(hooks)
      .map(({ run }) => run)
      .join('\n');
    for (const [, name = ''] of commands.matchAll(/npm run (?:--silent )?(\S+)/g)) expect(scripts, name).toHaveProperty([name]);
    expect(hooks.postdeploy?.run).toContain('azd env set MESHWRIGHT_FUNCTIONS_DEPLOYED true');
    const subscriptions = (parameters: typeof LEAST) =>
      deployed(parameters).resources.filter(({ type }) => type.endsWith('/eventSubscriptions')).length;
    expect(subscriptions(LEAST)).toBe(0);
    expect(subscriptions(PUBLIC)).toBe(4);
    expect(subscriptions(EVERYTHING), 'privately, the topic of the subscription delivers nothing').toBe(3);
  });

  it('gives parameters that main.bicep has, each by a variable of the environment', async () => {
    const { parameters } = z
      .object({ parameters: z.record(z.string(), z.object({ value: z.string() })) })
      .parse(JSON.parse(await file('infra/main.parameters.json')));
    const declared = [...readTemplate(readInfra('main.bicep'), 'main.bicep').declarations.values()].filter(({ kind }) => kind === 'param');
    // What is watched of a subscription is a list with a default; who wants another one writes it into the file.
    const apart = ['watchedOperations'];
    expect(Object.keys(parameters).toSorted()).toEqual(
      declared
        .map(({ name }) => name)
        .filter((name) => !apart.includes(name))
        .toSorted(),
    );
    for (const [name, { value }] of Object.entries(parameters)) expect(value, name).toMatch(/^\$\{[A-Z_]+(=[^${}]*)?\}$/);
    expect(parameters.functionsDeployed?.value).toMatch(/^..MESHWRIGHT_FUNCTIONS_DEPLOYED=false.$/);
  });
});

describe('the region', () => {
  it('is right where it runs this version of Node', () => {
    expect(regionProblem([{ version: '20' }, { version: '22' }], 'westeurope', '22')).toBeUndefined();
  });

  it('is refused with what it has, and what to do', () => {
    expect(regionProblem([{ version: '20' }], 'westeurope', '22')).toBe(
      'westeurope runs Node 20 and not 22; choose one with azd env set MESHWRIGHT_RUNTIME_VERSION.',
    );
    expect(regionProblem([], 'westindia', '22')).toMatch(/has no Flex Consumption/);
    expect(regionProblem({ error: 1 }, 'westeurope', '22')).toMatch(/cannot be read/);
  });
});

describe('what is deployed', () => {
  let folder: string;
  beforeAll(async () => {
    // Outside of the project: nothing of its node_modules can be found from there.
    folder = await mkdtemp(join(tmpdir(), 'meshwright-package-'));
    await packageFunctions(folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('registers every function, with nothing beside it', async () => {
    const argv = ['--no-warnings', 'test/functions/collect.ts', join(folder, 'dist')];
    const { stdout } = await promisify(execFile)(process.execPath, argv, { cwd: ROOT, env: {} });
    const names = z
      .array(z.object({ name: z.string() }))
      .parse(JSON.parse(stdout))
      .map(({ name }) => name);
    expect(names.toSorted()).toEqual((await codeFacts()).triggers.map((trigger) => trigger.function).toSorted());
  });

  it('has neither dependencies nor scripts nor anything of one machine', async () => {
    expect((await readdir(folder)).toSorted()).toEqual(['dist', 'host.json', 'package.json']);
    expect((await readdir(join(folder, 'dist'))).toSorted()).toEqual(['chunks', 'functions']);
    const manifest = z.record(z.string(), z.unknown()).parse(JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')));
    expect(Object.keys(manifest).toSorted()).toEqual(['main', 'name', 'type', 'version']);
  });
});
