/** Where a spec says what a plan holds: the problems that are found after reading point at the line that a person has to change. */
import { describe, expect, it } from 'vitest';
import { fieldsUsed } from '../../src/plan/fidelity.ts';
import { planService } from '../../src/plan/plan-service.ts';
import { readSpec } from '../../src/spec/read-spec.ts';
import { MESH, service } from './spec-files.ts';

const FIELDS = `name: catalog
port: 80
timeout: 3s
retries:
  attempts: 2
routes:
  - name: beta
    match:
      path: { prefix: /b }
      methods: [GET]
      headers:
        X-Tenant.Id: { present: false }
    retries: 1
  - name: writes
    match: { methods: [POST] }
    mirror: v2
    fault: { delay: 1s }
allow:
  - from: [catalog]
    paths: [/z]
  - from: [catalog]
    methods: [GET]
    paths: [{ regex: /a }]
egress:
  - b.example
  - { host: a.example, protocol: http }
  - { host: d.example, port: 8443 }
  - d.example
ingress:
  - { host: c.example, gateway: g }
telemetry:
  tracing: 1
stable: v1
`;
const mesh = `${MESH}mtls: strict\ntelemetry:\n  accessLog: errors\n`;

function read() {
  const spec = readSpec([{ path: 'mesh.yaml', text: mesh }, service(FIELDS)]);
  if (!spec.ok) throw new Error(JSON.stringify(spec.problems));
  return spec;
}

/** As `file:line field`; the first line of FIELDS is line 3. */
function placeOf(where: string): string {
  const { file, line, field } = read().places.problemOfService('catalog', where, '');
  return `${file}:${line} ${field}`;
}

describe('a place in a plan', () => {
  it.each([
    ['routes.beta.match.path', 'catalog.yaml:11 routes[0].match.path'],
    ['routes.beta.match.methods', 'catalog.yaml:12 routes[0].match.methods'],
    ['routes.beta.match.headers.x-tenant.id', 'catalog.yaml:14 routes[0].match.headers.X-Tenant.Id'],
    ['routes.beta.retries.attempts', 'catalog.yaml:15 routes[0].retries'],
    ['routes.writes.mirror', 'catalog.yaml:18 routes[1].mirror'],
    ['routes.writes.fault.delay', 'catalog.yaml:19 routes[1].fault.delay'],
    ['egress.a.example', 'catalog.yaml:28 egress[1]'],
    ['egress.b.example', 'catalog.yaml:27 egress[0]'],
    ['egress.a.example:80', 'catalog.yaml:28 egress[1]'],
    ['egress.d.example:8443', 'catalog.yaml:29 egress[2]'],
    ['egress.d.example:443', 'catalog.yaml:30 egress[3]'],
    ['ingress.c.example', 'catalog.yaml:32 ingress[0]'],
    ['telemetry.tracing', 'catalog.yaml:34 telemetry.tracing'],
    ['protocol', 'catalog.yaml:1 protocol'],
  ])('%s is the field of the service that says it', (where, place) => expect(placeOf(where)).toBe(place));

  it.each([
    ['routes.beta.timeout', 'catalog.yaml:5 timeout'],
    ['routes.writes.retries.on', 'catalog.yaml:7 retries'],
    ['routes.default.retries.attempts', 'catalog.yaml:7 retries.attempts'],
  ])('%s is what the service says for all its routes, where the route says nothing', (where, place) => expect(placeOf(where)).toBe(place));

  it.each([
    ['mtls', 'mesh.yaml:7 mtls'],
    ['telemetry.accessLog', 'mesh.yaml:9 telemetry.accessLog'],
  ])('%s is in the mesh, where the service says nothing', (where, place) => expect(placeOf(where)).toBe(place));

  it('of a rule is the entry it was written as, though rules are sorted', () => {
    const [spec] = read().services;
    const places = (spec?.allow ?? []).map(({ methods }, index) => [methods === undefined, placeOf(`allow.${index}.paths`)]);
    expect(new Map(places.map(([all, place]) => [all, place]))).toEqual(
      new Map([
        [true, 'catalog.yaml:22 allow[0].paths'],
        [false, 'catalog.yaml:25 allow[1].paths'],
      ]),
    );
    expect(placeOf('allow.0.callers')).toMatch(/^catalog.yaml:(21|23) allow\[[01]\]$/);
  });

  it('is found for every field that a plan of the spec uses', () => {
    const spec = read();
    const [catalog] = spec.services;
    if (catalog === undefined) throw new Error('no service');
    for (const { where } of fieldsUsed(planService('shop', catalog, { split: [{ version: 'v1', weight: 100 }] }))) {
      const { line, field } = spec.places.problemOfService('catalog', where, '');
      expect(field, where).not.toBe('');
      if (!['protocol', 'rollout'].includes(field)) expect(line, where).toBeGreaterThan(3);
    }
  });
});

describe('a data plane', () => {
  it('is where the mesh lists it', () => {
    expect(read().places.problemOfDataPlane('aks', 'away')).toMatchObject({
      file: 'mesh.yaml',
      line: 6,
      field: 'dataPlanes[1]',
      message: 'away',
    });
  });
});
