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
    return { service: 'catalog', dataPlane, entries, taken: [] };
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

describe('names that two objects would have', () => {
  const mesh = (kind: string) => ({
    path: 'mesh.yaml',
    text: `${HEADER}kind: Mesh\nname: shop\ndataPlanes: [{ name: here, kind: ${kind} }]\n`,
  });
  const named = (name: string, more = '') => ({ path: `${name}.yaml`, text: `${HEADER}kind: Service\nname: ${name}\nport: 80\n${more}` });
  const problemsOf = (kind: string, ...services: ReturnType<typeof named>[]) => {
    const spec = readSpec([mesh(kind), ...services]);
    if (!spec.ok) throw new Error(JSON.stringify(spec.problems));
    return refusedProblems(specFidelity(spec.mesh, spec.services), spec.places).map(
      ({ file, line, message }) => `${file}:${line} ${message}`,
    );
  };

  it('are refused where the Service of a version would be that of another service, or of its version', () => {
    expect(problemsOf('linkerd', named('catalog'), named('catalog-v1'))).toEqual([
      'catalog.yaml:3 catalog on here (linkerd): its Service default/catalog-v1 would be that of `catalog-v1`; give one of them another name',
    ]);
    expect(problemsOf('osm', named('a', 'stable: b-c\n'), named('a-b', 'stable: c\n'))).toEqual([
      'a-b.yaml:3 a-b on here (osm): its Service default/a-b-c would be that of `a`; give one of them another name',
    ]);
    expect(problemsOf('istio', named('catalog'), named('catalog-v1'))).toEqual([]);
  });

  it('are refused where a route would be that of another service, or one of its own', () => {
    const beta = 'routes: [{ name: beta, match: { path: { prefix: /b } }, timeout: 3s }]\n';
    expect(problemsOf('linkerd', named('catalog', beta), named('catalog-beta'))).toEqual([
      'catalog-beta.yaml:3 catalog-beta on here (linkerd): its HTTPRoute default/catalog-beta would be that of `catalog`; give one of them another name',
    ]);
    const rest =
      'stable: v1\nmtls: strict\nallow: [{ from: [web], paths: [/x] }]\nroutes: [{ name: callers-rest, match: { path: { prefix: /b } }, timeout: 3s }]\n';
    expect(problemsOf('linkerd', named('catalog', rest), named('web'))).toEqual([
      'catalog.yaml:3 catalog on here (linkerd): two of its objects would be HTTPRoute default/catalog-callers-rest; give the route another name',
    ]);
  });
});
