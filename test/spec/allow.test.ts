/** Who may call: names of services become identities, whatever order and shorthand they are written in. */
import { describe, expect, it } from 'vitest';
import { good, HEADER, MESH, problems, service, wrong } from './spec-files.ts';

const STRICT = `${MESH}mtls: strict\n`;
const catalog = 'name: catalog\nport: 80\nstable: v1\n';
const other = (name: string, fields = '') => ({
  path: `${name}.yaml`,
  text: `${HEADER}kind: Service\nname: ${name}\nport: 80\n${fields}stable: v1\n`,
});
const others = [other('web', 'namespace: front\n'), other('pay', 'serviceAccount: payments\n')];
const allow = (written: string) => good(`${catalog}allow: ${written}\n`, STRICT, others).allow;

const web = { namespace: 'front', serviceAccount: 'web', service: 'web' };
const pay = { namespace: 'default', serviceAccount: 'payments', service: 'pay' };

describe('allow', () => {
  it('resolves names to the namespace and service account of that service', () => {
    expect(allow('[web, pay]')).toEqual([{ callers: [pay, web] }]);
  });

  it('takes identities, and knows those of services again', () => {
    const robot = { namespace: 'ops', serviceAccount: 'robot' };
    expect(allow('[{ from: [{ namespace: ops, serviceAccount: robot }] }]')).toEqual([{ callers: [robot] }]);
    expect(allow('[{ from: [{ namespace: front, serviceAccount: web }] }]')).toEqual([{ callers: [web] }]);
  });

  it('allows all services of an identity when it allows one: they cannot be told apart', () => {
    const twins = [...others, other('pay-batch', 'serviceAccount: payments\n')];
    expect(good(`${catalog}allow: [pay]\n`, STRICT, twins).allow).toEqual([{ callers: [pay, { ...pay, service: 'pay-batch' }] }]);
  });

  it('has methods in upper case; a path as text is the whole path', () => {
    expect(allow('[{ from: [web], methods: [post, get, GET], paths: [/pay, { prefix: /api/ }, { regex: /v. }] }]')).toEqual([
      { callers: [web], methods: ['GET', 'POST'], paths: [{ exact: '/pay' }, { prefix: '/api/' }, { regex: '/v.' }] },
    ]);
  });

  it('is the same whatever the order, and joins entries that say the same of others', () => {
    const one = allow('[pay, { from: [web], paths: [/b, /a] }, web, { from: [pay, web, pay], paths: [/a, /b] }]');
    expect(one).toEqual(allow('[{ from: [web, pay] }, { from: [pay, web], paths: [/a, /b] }]'));
    expect(one).toHaveLength(2);
  });

  it('that names nobody allows nobody, which is not the same as none', () => {
    expect(allow('[]')).toEqual([]);
    expect(good(catalog, STRICT).allow).toBeUndefined();
  });
});

describe('mTLS', () => {
  it('is the mesh’s with its trust domain, or cluster.local', () => {
    expect(good(catalog, STRICT).mtls).toEqual({ stage: 'strict', trustDomain: 'cluster.local' });
    expect(good(catalog, `${STRICT}trustDomain: shop.example\n`).mtls).toEqual({ stage: 'strict', trustDomain: 'shop.example' });
    expect(good(catalog).mtls).toBeUndefined();
  });

  it('is the service’s own where it says so', () => {
    expect(good(`${catalog}mtls: shadow\n`, STRICT).mtls?.stage).toBe('shadow');
    expect(good(`${catalog}mtls: permissive\n`).mtls?.stage).toBe('permissive');
  });

  it('has three stages', () => {
    expect(wrong(`${catalog}mtls: stricct\n`)).toEqual([
      '6 mtls: this must be one of `permissive`, `shadow`, `strict`; did you mean `strict`?',
    ]);
  });
});

describe('what is refused', () => {
  it('names that no service has, in any place, with the one that was meant', () => {
    const text = `${catalog}allow:\n  - wep\n  - from: [web, pai]\n    methods: [GET]\n`;
    expect(problems([{ path: 'mesh.yaml', text: STRICT }, service(text), ...others])).toEqual([
      'catalog.yaml:7 allow[0]: the mesh has no such service; did you mean `web`?',
      'catalog.yaml:8 allow[1].from[1]: the mesh has no such service; did you mean `pay`?',
    ]);
  });

  it('not names of services whose own files are wrong: one mistake is one problem', () => {
    const broken = other('web', 'prot: 1\n');
    expect(problems([{ path: 'mesh.yaml', text: STRICT }, service(`${catalog}allow: [web]\n`), broken])).toEqual([
      expect.stringMatching(/^web.yaml:5 prot/),
    ]);
  });

  it.each([
    ['strict', 'hold nobody back'],
    ['shadow', 'report nobody'],
  ])('%s before a version is known: nothing is written until then', (stage, none) => {
    const nobody = 'name: catalog\nport: 80\n';
    expect(wrong(`${nobody}mtls: ${stage}\n`)).toEqual([
      expect.stringMatching(`^\\d+ stable: \`mtls: ${stage}\` needs it: .*would ${none}`),
    ]);
    expect(wrong(nobody, `${MESH}mtls: ${stage}\n`)).toHaveLength(1);
    expect(wrong(`${nobody}mtls: ${stage}\nstable: v1\n`)).toEqual([]);
    expect(wrong(`${nobody}mtls: permissive\n`)).toEqual([]);
  });

  it('callers where nothing says how far mTLS is, with what to do', () => {
    expect(wrong(`${catalog}allow: []\n`)).toEqual([expect.stringMatching(/^6 allow: .*give the mesh or this service `mtls: permissive`/)]);
  });

  it.each([
    ['no callers', '[{ from: [] }]', 'allow[0].from', 'may not be empty'],
    ['half an identity', '[{ from: [{ namespace: a }] }]', 'allow[0].from[0].serviceAccount', 'needed'],
    ['a path that is none', '[{ from: [catalog], paths: [pay] }]', 'allow[0].paths[0]', '/'],
    ['a path with a query', "[{ from: [catalog], paths: ['/pay?x=1'] }]", 'allow[0].paths[0]', 'before `?` and `#`'],
    ['a prefix with a fragment', "[{ from: [catalog], paths: [{ prefix: '/pay#a' }] }]", 'allow[0].paths[0].prefix', 'before `?` and `#`'],
    ['a path of two kinds', '[{ from: [catalog], paths: [{ exact: /a, prefix: /b }] }]', 'allow[0].paths[0]', 'exactly one of'],
    ['an expression that is not RE2', "[{ from: [catalog], paths: [{ regex: '(?!a)' }] }]", 'allow[0].paths[0].regex', 'RE2'],
    ['no list', 'catalog', 'allow', 'a list'],
  ])('%s', (_, written, field, message) => {
    const found = wrong(`${catalog}allow: ${written}\n`, STRICT);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(` ${field}: `);
    expect(found[0]).toContain(message);
  });
});
