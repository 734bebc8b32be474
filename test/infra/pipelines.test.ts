/** The example pipelines can be read, run what there is, sign in without secrets, and give nobody more than a job needs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '../..');
const text = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const { scripts } = z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(text('package.json')));
const GITHUB = 'examples/pipelines/github-actions.yml';
const DEVOPS = 'examples/pipelines/azure-pipelines.yml';

const jobSchema = z.object({
  if: z.string().optional(),
  needs: z.string().optional(),
  environment: z.string().optional(),
  permissions: z.record(z.string(), z.enum(['read', 'write'])).optional(),
  steps: z.array(z.object({ uses: z.string().optional(), run: z.string().optional() })),
});
const workflow = z
  .object({ permissions: z.record(z.string(), z.string()), jobs: z.record(z.string(), jobSchema) })
  .parse(parse(text(GITHUB), { version: '1.2' }));

const stepSchema = z.object({ script: z.string().optional(), inputs: z.object({ inlineScript: z.string().optional() }).optional() });
const deploymentSchema = z.object({ runOnce: z.object({ deploy: z.object({ steps: z.array(stepSchema) }) }) });
const pipeline = z
  .object({
    stages: z.array(
      z.object({
        stage: z.string(),
        jobs: z.array(z.object({ steps: z.array(stepSchema).optional(), strategy: deploymentSchema.optional() })),
      }),
    ),
  })
  .parse(parse(text(DEVOPS)));

const githubCommands = Object.values(workflow.jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []));
const devopsCommands = pipeline.stages
  .flatMap(({ jobs }) => jobs.flatMap(({ steps = [], strategy }) => [...steps, ...(strategy?.runOnce.deploy.steps ?? [])]))
  .flatMap(({ script, inputs }) => script ?? inputs?.inlineScript ?? []);

describe.each([
  ['GitHub Actions', githubCommands, GITHUB],
  ['Azure DevOps', devopsCommands, DEVOPS],
] as const)('the pipeline of %s', (_name, commands, file) => {
  it.each([
    ['checks types and style', 'npm run check'],
    ['lints the templates', 'npm run lint:infra'],
    ['tests', 'npm test'],
    ['says what would be changed', 'azd provision --preview'],
    ['plans', 'npx meshwright plan specs --against'],
    ['deploys', 'azd up --no-prompt'],
    ['applies what was merged', 'npx meshwright apply specs'],
  ])('%s', (_what, command) => {
    expect(commands.filter((each) => each.includes(command))).toHaveLength(1);
  });

  it('runs scripts that there are', () => {
    const named = commands.join('\n').matchAll(/npm run (\S+)/g);
    for (const [, name = ''] of named) expect(scripts, name).toHaveProperty([name]);
  });

  it('has no secret', () => {
    expect(text(file)).not.toMatch(/secrets\.|client-secret|password|AZURE_CREDENTIALS/i);
  });
});

describe('the jobs of GitHub', () => {
  it('may write nothing but what they say, and a token of Azure is asked for where one signs in', () => {
    expect(workflow.permissions).toEqual({ contents: 'read' });
    for (const [name, { steps, permissions = {} }] of Object.entries(workflow.jobs)) {
      const signsIn = steps.some(({ uses }) => uses?.startsWith('azure/login@'));
      expect(permissions['id-token'] === 'write', name).toBe(signsIn);
      const writes = Object.entries(permissions).filter(([what, may]) => may === 'write' && what !== 'id-token');
      expect(
        writes.map(([what]) => what),
        name,
      ).toEqual(name === 'plan' ? ['pull-requests'] : []);
    }
  });

  it('sign in for nobody but this repository, and deploy after the checks only, where somebody approves', () => {
    for (const [name, { steps, if: condition }] of Object.entries(workflow.jobs))
      if (steps.some(({ uses }) => uses?.startsWith('azure/login@')))
        expect(condition, name).toMatch(/head\.repo\.full_name == github\.repository|github\.event_name == 'push'/);
    expect(workflow.jobs.deploy).toMatchObject({ needs: 'check', environment: 'production', if: "github.event_name == 'push'" });
  });
});
