import { describe, expect, it } from 'vitest';
import { readSpec } from '../../src/spec/read-spec.ts';
import { serviceSpecSchema } from '../../src/spec/schema.ts';
import { good, HEADER, MESH, problems, service, wrong } from './spec-files.ts';

describe('a complete service', () => {
  it('is a name, a port and rollout: canary', () => {
    const spec = good('name: catalog\nport: 8080\nrollout: canary\n');
    const step = (weight: number) => ({ weight, holdMs: 300_000, deadlineMs: 900_000 });
    expect(spec).toEqual({
      name: 'catalog',
      namespace: 'default',
      port: 8080,
      protocol: 'http',
      dataPlanes: ['aks', 'vms'],
      versionLabel: 'version',
      routes: [],
      rollout: {
        strategy: 'canary',
        steps: [step(5), step(25), step(50), step(100)],
        pauseDeadlineMs: 86_400_000,
        startDeadlineMs: 1_800_000,
        returnDeadlineMs: 300_000,
      },
      alerts: [],
      deployments: [],
    });
    expect(serviceSpecSchema.parse(spec)).toEqual(spec);
  });
});

describe('shorthands', () => {
  it('steps: weights alone take the defaults, 100 is added, a hold moves its deadline', () => {
    const { rollout } = good(
      'name: catalog\nport: 80\nrollout:\n  steps: [10, { weight: 40, hold: 1h30m }, { weight: 60, hold: 0s, deadline: 90s }]\n  pauseDeadline: 2h\n',
    );
    expect(rollout.steps).toEqual([
      { weight: 10, holdMs: 300_000, deadlineMs: 900_000 },
      { weight: 40, holdMs: 5_400_000, deadlineMs: 6_000_000 },
      { weight: 60, holdMs: 0, deadlineMs: 90_000 },
      { weight: 100, holdMs: 300_000, deadlineMs: 900_000 },
    ]);
    expect(rollout.pauseDeadlineMs).toBe(7_200_000);
    expect(good('name: c\nport: 80\nrollout: { steps: [50, 100] }\n').rollout.steps.map(({ weight }) => weight)).toEqual([50, 100]);
  });

  it('retries: a number retries only what no backend has begun', () => {
    expect(good('name: c\nport: 80\nretries: 2\n').retries).toEqual({ attempts: 2, on: ['connect-failure', 'refused-stream'] });
    expect(good('name: c\nport: 80\nretries: { attempts: 1, perTryTimeout: 250ms, on: [reset, 5xx] }\n').retries).toEqual({
      attempts: 1,
      perTryTimeoutMs: 250,
      on: ['5xx', 'reset'],
    });
  });

  it('routes: a header as text is an exact match; names become lower case, methods upper case', () => {
    const routes =
      'routes:\n  - name: beta\n    match: { path: { prefix: /beta }, methods: [post, get], headers: { X-Group: beta, a: { present: true } } }\n    version: v2\n    timeout: 5s\n    retries: 0\n';
    expect(good(`name: c\nport: 80\n${routes}`).routes).toEqual([
      {
        name: 'beta',
        match: {
          path: { prefix: '/beta' },
          methods: ['GET', 'POST'],
          headers: [
            { name: 'a', present: true },
            { name: 'x-group', exact: 'beta' },
          ],
        },
        version: 'v2',
        timeoutMs: 5000,
        retries: { attempts: 0, on: ['connect-failure', 'refused-stream'] },
      },
    ]);
  });

  it('alerts: a text is the name of a rule; deployments: hosts become lower case', () => {
    const spec = good(
      'name: c\nport: 80\nalerts: [catalog 5xx, { dimension: { name: role, value: c } }]\ndeployments: [{ repository: Shop.azurecr.io/team/catalog }]\n',
    );
    expect(spec.alerts).toEqual([{ rule: 'catalog 5xx' }, { dimension: { name: 'role', value: 'c' } }]);
    expect(spec.deployments).toEqual([{ repository: 'shop.azurecr.io/team/catalog' }]);
  });

  it('documents: several may share a file, and aliases may share fields', () => {
    const one = readSpec([
      {
        path: 'all.yaml',
        text: `${MESH}---\n${HEADER}kind: Service\nname: b\nport: 80\nretries: &r { attempts: 1 }\nroutes: [{ name: x, match: { methods: [GET] }, retries: *r }]\n---\n${HEADER}kind: Service\nname: a\nport: 81\n---\n`,
      },
    ]);
    expect(one).toMatchObject({
      ok: true,
      mesh: { name: 'shop' },
      services: [{ name: 'a' }, { name: 'b', routes: [{ retries: { attempts: 1 } }] }],
    });
  });
});

describe('the mesh', () => {
  const mesh = (fields: string) => readSpec([{ path: 'mesh.yaml', text: `${HEADER}kind: Mesh\nname: shop\n${fields}` }]);

  it('is data planes, a trust domain, teams and channels', () => {
    const spec = mesh(
      'trustDomain: shop.example\ndataPlanes: [{ name: vms, kind: envoy }]\nteams: [payments, { name: search }]\nchannels: { teams: { webhookSetting: TEAMS_WEBHOOK } }\n',
    );
    expect(spec).toMatchObject({
      ok: true,
      mesh: {
        name: 'shop',
        trustDomain: 'shop.example',
        dataPlanes: [{ name: 'vms', kind: 'envoy' }],
        teams: [{ name: 'payments' }, { name: 'search' }],
        channels: { teams: { webhookSetting: 'TEAMS_WEBHOOK' } },
      },
      services: [],
    });
  });

  it('refuses kinds of data planes that it does not know', () => {
    const spec = mesh('dataPlanes: [{ name: aks, kind: kuma }]\n');
    expect(spec).toMatchObject({
      ok: false,
      problems: [
        {
          line: 4,
          field: 'dataPlanes[0].kind',
          message: 'say which kind of data plane it is: `envoy`, `istio`, `gateway-api`, `linkerd`, `osm` and `consul`',
        },
      ],
    });
  });

  it('takes no webhook URL, and does not repeat it', () => {
    const spec = mesh('dataPlanes: [{ name: vms, kind: envoy }]\nchannels: { teams: { webhookSetting: "https://secret.example/hook" } }\n');
    expect(spec).toMatchObject({
      ok: false,
      problems: [{ field: 'channels.teams.webhookSetting', message: expect.stringContaining('the name of the app setting') }],
    });
    expect(JSON.stringify(spec)).not.toContain('secret.example');
  });
});

describe('every problem at once', () => {
  it('with file, line, field and what to do', () => {
    const fields = [
      'name: catalog',
      'prot: 8080',
      'protocol: htttp',
      'timeout: 5',
      'dataPlanes: [vm]',
      'rollout:',
      '  steps: [50, 10]',
      '  pauseDeadlin: 1h',
    ];
    expect(wrong(`${fields.join('\n')}\n`)).toEqual([
      '1 port: this field is needed: give a number',
      '4 prot: `prot` is not a field here; did you mean `port`?',
      '5 protocol: this must be one of `http`, `http2`, `grpc`; did you mean `http`?',
      '6 timeout: write a duration with its unit, such as `90s`, `5m` or `1h30m`',
      '7 dataPlanes[0]: the mesh has no such data plane; did you mean `vms`?',
      '9 rollout.steps[1]: weights must rise from step to step, and 10 comes after 50',
      '10 rollout.pauseDeadlin: `pauseDeadlin` is not a field here; did you mean `pauseDeadline`?',
    ]);
  });

  it('with the column of a value in the middle of a line', () => {
    const spec = readSpec([{ path: 'mesh.yaml', text: MESH }, service('name: catalog\nport: 80\nretries: { attempts: 99 }\n')]);
    expect(spec).toMatchObject({
      ok: false,
      problems: [{ file: 'catalog.yaml', line: 5, column: 22, field: 'retries.attempts', message: 'give a number of at most 10' }],
    });
  });

  it('where an alias stands for the field, at the place of its anchor', () => {
    const shared = 'retries: &r\n  attempts: 1\n  perTry: 1s\nroutes:\n  - { name: a, match: { methods: [GET] }, retries: *r }\n';
    expect(wrong(`name: c\nport: 80\n${shared}`).map((problem) => problem.split(':')[0])).toEqual([
      '7 routes[0].retries.perTry',
      '7 retries.perTry',
    ]);
  });

  it('over all files, in their order', () => {
    const files = [
      { path: 'b.yaml', text: `${HEADER}kind: Service\nname: b\nport: 0\n` },
      { path: 'mesh.yaml', text: MESH.replace('istio', 'istioo') },
      { path: 'a.yaml', text: `${HEADER}kind: Service\nname: b\nport: 80\nteam: 3\n` },
    ];
    expect(problems(files).map((problem) => problem.split(': ')[0])).toEqual([
      'b.yaml:4 port',
      'mesh.yaml:6 dataPlanes[1].kind',
      'a.yaml:3 name',
      'a.yaml:5 team',
    ]);
  });
});

describe('what is refused in a service', () => {
  const rest = 'name: catalog\nport: 80\n';
  it.each([
    ['a name that is no label', 'name: Catalog_1\nport: 80\n', 'name', 'lower-case letters'],
    ['a weight above 100', `${rest}rollout: { steps: [101] }\n`, 'rollout.steps[0]', 'at most 100'],
    ['a weight of 0', `${rest}rollout: { steps: [0, 100] }\n`, 'rollout.steps[0]', 'at least 1'],
    ['no steps', `${rest}rollout: { steps: [] }\n`, 'rollout.steps', 'may not be empty'],
    [
      'a deadline not above its hold',
      `${rest}rollout: { steps: [{ weight: 5, hold: 5m, deadline: 300s }] }\n`,
      'rollout.steps[0].deadline',
      'longer than the hold (5m)',
    ],
    ['an unknown strategy', `${rest}rollout: blue-green\n`, 'rollout', 'say `canary`'],
    ['a hold of a year', `${rest}rollout: { steps: [{ weight: 5, hold: 365d }] }\n`, 'rollout.steps[0].hold', 'between 0s and 30d'],
    [
      'a path of two kinds',
      `${rest}routes: [{ name: a, match: { path: { exact: /a, prefix: /b } } }]\n`,
      'routes[0].match.path',
      'exactly one of',
    ],
    ['a path without its kind', `${rest}routes: [{ name: a, match: { path: /a } }]\n`, 'routes[0].match.path', '`prefix`'],
    ['look-ahead', `${rest}routes: [{ name: a, match: { path: { regex: '/(?!admin).*' } } }]\n`, 'routes[0].match.path.regex', 'RE2'],
    [
      'one header twice',
      `${rest}routes: [{ name: a, match: { headers: { x-a: '1', X-A: '2' } } }]\n`,
      'routes[0].match.headers.x-a',
      'same header',
    ],
    ['a route that matches everything', `${rest}routes: [{ name: a, match: {} }]\n`, 'routes[0].match', 'hide every route'],
    ['a route named default', `${rest}routes: [{ name: default, match: { methods: [GET] } }]\n`, 'routes[0].name', 'everything else'],
    [
      'two routes of a name',
      `${rest}routes: [{ name: a, match: { methods: [GET] } }, { name: a, match: { methods: [PUT] } }]\n`,
      'routes[1].name',
      'twice',
    ],
    [
      'a route pinned to no version',
      `${rest}routes: [{ name: a, match: { methods: [GET] }, version: 'v 2' }]\n`,
      'routes[0].version',
      'use letters',
    ],
    [
      'a try longer than the request',
      `${rest}timeout: 1s\nretries: { attempts: 1, perTryTimeout: 2s }\n`,
      'retries.perTryTimeout',
      'longer than `timeout`',
    ],
    [
      "a route's try longer than the request of its service",
      `${rest}timeout: 1s\nroutes: [{ name: a, match: { methods: [GET] }, retries: { attempts: 1, perTryTimeout: 5s } }]\n`,
      'routes[0].retries.perTryTimeout',
      "longer than the service's `timeout`",
    ],
    [
      "a route's request shorter than a try of its service",
      `${rest}retries: { attempts: 1, perTryTimeout: 5s }\nroutes: [{ name: a, match: { methods: [GET] }, timeout: 1s }]\n`,
      'routes[0].timeout',
      'one try of the service may take longer',
    ],
    ['an alert entry that says nothing', `${rest}alerts: [{}]\n`, 'alerts[0]', 'give a `rule`'],
    [
      'a repository with a tag',
      `${rest}deployments: [{ repository: 'shop.azurecr.io/catalog:v1' }]\n`,
      'deployments[0].repository',
      'without a scheme',
    ],
    ['a resource without a version', `${rest}deployments: [{ resource: /subscriptions/a }]\n`, 'deployments[0].resource', '{version}'],
    [
      'a deployment of two kinds',
      `${rest}deployments: [{ repository: a.io/b, resource: '/subscriptions/{version}' }]\n`,
      'deployments[0]',
      'either',
    ],
    ['a key twice', `${rest}port: 81\n`, '', '`port` is here twice'],
  ])('%s', (_, fields, field, message) => {
    const found = wrong(fields);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^\d+ /);
    expect(found[0]).toContain(` ${field}: `);
    expect(found[0]).toContain(message);
  });

  it('a team the mesh does not have', () => {
    expect(wrong(`${rest}team: serch\n`, `${MESH}teams: [search, payments]\n`)).toEqual([
      '5 team: the mesh has no such team; did you mean `search`?',
    ]);
  });
});
