/** The files that the tests of reading specs begin with, and problems as one line each. */
import { readSpec } from '../../src/spec/read-spec.ts';
import type { ServiceSpec } from '../../src/spec/schema.ts';

export const HEADER = 'apiVersion: meshwright.dev/v1\n';
export const MESH = `${HEADER}kind: Mesh\nname: shop\ndataPlanes:\n  - { name: vms, kind: envoy }\n  - { name: aks, kind: istio, region: westeurope }\n`;

export function service(fields: string) {
  return { path: 'catalog.yaml', text: `${HEADER}kind: Service\n${fields}` };
}

/** Each problem as `file:line field: message`. The fields of a service begin in line 3. */
export function problems(files: readonly { path: string; text: string }[]): string[] {
  const spec = readSpec(files);
  return spec.ok ? [] : spec.problems.map(({ file, line, field, message }) => `${file}:${line} ${field}: ${message}`);
}

export function wrong(fields: string, mesh = MESH): string[] {
  return problems([{ path: 'mesh.yaml', text: mesh }, service(fields)]).map((problem) => problem.replace('catalog.yaml:', ''));
}

/** The first service of a mesh, which is the one that `fields` are of unless `others` come before it by name. */
export function good(fields: string, mesh = MESH, others: readonly { path: string; text: string }[] = []): ServiceSpec {
  const spec = readSpec([{ path: 'mesh.yaml', text: mesh }, service(fields), ...others]);
  if (!spec.ok) throw new Error(JSON.stringify(spec.problems, null, 2));
  const [first] = spec.services;
  if (first === undefined) throw new Error('no service');
  return first;
}
