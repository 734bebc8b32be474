/** Adopted meshes for tests of matching, read from YAML as people write it. */
import type { AdoptedMesh } from '../../src/intake/matching.ts';
import { readSpec } from '../../src/spec/read-spec.ts';

/** A mesh whose services have the given fields (YAML, flow or block) besides name and port. */
export function adopted(mesh: string, services: Readonly<Record<string, string>>): AdoptedMesh {
  const header = 'apiVersion: meshwright.dev/v1\n';
  const files = [{ path: 'mesh.yaml', text: `${header}kind: Mesh\nname: ${mesh}\ndataPlanes: [{ name: vms, kind: envoy }]\n` }];
  for (const [name, fields] of Object.entries(services)) {
    files.push({ path: `${name}.yaml`, text: `${header}kind: Service\nname: ${name}\nport: 8080\nrollout: canary\n${fields}\n` });
  }
  const spec = readSpec(files);
  if (!spec.ok) throw new Error(JSON.stringify(spec.problems));
  return { mesh: spec.mesh.name, services: spec.services };
}
