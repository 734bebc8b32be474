/** What data planes refuse of a spec: said with the place where it is written, before anything is adopted. */
import { describe, expect, it } from 'vitest';
import { problemsInOrder, readSpec } from '../src/spec/read-spec.ts';
import { refusedProblems, type ServiceFidelity, serviceFidelity, specFidelity } from '../src/spec-fidelity.ts';
import { HEADER, MESH, service } from './spec/spec-files.ts';

const files = [
  { path: 'mesh.yaml', text: MESH },
  service('name: catalog\nport: 80\nretries: 2\nroutes: [{ name: a, match: { methods: [GET] } }]\n'),
  { path: 'cart.yaml', text: `${HEADER}kind: Service\nname: cart\nport: 80\ndataPlanes: [aks]\n` },
];

function read() {
  const spec = readSpec(files);
  if (!spec.ok) throw new Error(JSON.stringify(spec.problems));
  return spec;
}

describe('the fidelity of a spec', () => {
  it('is that of each service on each data plane it lives on', () => {
    const { mesh, services } = read();
    expect(specFidelity(mesh, services).map(({ service, dataPlane }) => `${service} on ${dataPlane.name}`)).toEqual([
      'cart on aks',
      'catalog on vms',
      'catalog on aks',
    ]);
  });

  it('is judged with the split that a rollout will make, whatever version it begins with', () => {
    const { mesh, services } = read();
    const [aks] = mesh.dataPlanes.filter(({ kind }) => kind === 'istio');
    const [cart] = services;
    if (aks === undefined || cart === undefined) throw new Error('the spec of this test has both');
    for (const stable of ['v1', 'v2', 'v3'])
      expect(serviceFidelity('shop', { ...cart, stable }, aks).map(({ field }) => field)).toContain('route.split');
  });
});

describe('a mirror', () => {
  it('is judged, whatever version gets the copies', () => {
    const { mesh, services } = read();
    const [vms] = mesh.dataPlanes.filter(({ kind }) => kind === 'envoy');
    const [cart] = services;
    if (vms === undefined || cart === undefined) throw new Error('the spec of this test has both');
    for (const version of ['v1', 'v2', 'v3']) {
      const routes = [{ name: 'reads', match: { methods: ['GET'] }, mirror: { version, percent: 100 } }];
      expect(serviceFidelity('shop', { ...cart, routes }, vms).map(({ where }) => where)).toContain('routes.reads.mirror');
    }
  });
});

describe('what is refused', () => {
  const judgement = { kind: 'refused', code: 'NoRetries', sentence: 'Nothing is retried there; leave it out.' } as const;
  const refused = (where: string) => ({ field: 'route.retries.attempts', where, judgement }) as const;
  const on = (name: string, ...entries: ServiceFidelity['entries']): ServiceFidelity => {
    const dataPlane = read().mesh.dataPlanes.find((each) => each.name === name);
    if (dataPlane === undefined) throw new Error('the spec of this test has it');
    return { service: 'catalog', dataPlane, entries };
  };

  it('has file, line, field, service, data plane, code and sentence; once for each place where it is written', () => {
    const fidelity = [
      on('vms', refused('routes.a.retries.attempts'), refused('routes.default.retries.attempts'), {
        field: 'protocol.http',
        where: 'protocol',
        judgement: { kind: 'exact' },
      }),
      on('aks', refused('routes.default.retries.attempts')),
    ];
    const message = 'Nothing is retried there; leave it out.';
    expect(refusedProblems(fidelity, read().places)).toEqual([
      {
        file: 'catalog.yaml',
        line: 5,
        column: 10,
        field: 'retries',
        message: `catalog on vms (envoy): ${message}`,
        refusal: { service: 'catalog', dataPlane: 'vms', code: 'NoRetries' },
      },
      expect.objectContaining({ message: `catalog on aks (istio): ${message}` }),
    ]);
  });

  it('is not what is only approximated', () => {
    const nearly = { field: 'failover', where: 'failover', judgement: { kind: 'approximated', difference: 'by zone' } } as const;
    expect(refusedProblems([on('vms', nearly)], read().places)).toEqual([]);
  });

  it('of more than anyone reads ends with a problem that is no refusal', () => {
    const { places } = read();
    const many = Array.from({ length: 150 }, (_, index) => ({
      ...places.problemOfService('catalog', 'retries', `${index}`),
      refusal: { service: 'catalog', dataPlane: 'aks', code: 'NoRetries' },
    }));
    const shown = problemsInOrder(many, files);
    expect(shown).toHaveLength(101);
    expect(shown.at(-1)).toEqual({ file: 'catalog.yaml', line: 5, field: '', message: expect.stringContaining('more problems') });
  });

  it('comes in the order of files and lines', () => {
    const { places } = read();
    const problems = [places.problemOfService('catalog', 'retries', 'b'), places.problemOfDataPlane('aks', 'a')];
    expect(problemsInOrder(problems, files).map(({ message }) => message)).toEqual(['a', 'b']);
  });
});
