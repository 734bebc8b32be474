/** A case of `cases/`, imported: the spec as it would be read, and what is said of it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Imported, type ImportOptions, importMesh } from '../../src/import/import-mesh.ts';
import { objectsIn, readObjects } from '../../src/import/objects.ts';
import type { ServiceSpec } from '../../src/spec/schema.ts';

type Options = Partial<ImportOptions>;

export function importedCase(name: string, options: Options = {}): Imported {
  const folder = join(import.meta.dirname, 'cases', name);
  const files = readdirSync(folder).sort();
  const { objects, unreadable } = readObjects(files.map((path) => ({ path, text: readFileSync(join(folder, path), 'utf8') })));
  if (unreadable.length > 0) throw new Error(JSON.stringify(unreadable));
  return importMesh(objects, { mesh: 'sample', ...options });
}

export function importedObjects(objects: readonly object[], options: Options = {}): Imported {
  return importMesh(objectsIn('here', JSON.parse(JSON.stringify(objects))).objects, { mesh: 'sample', ...options });
}

export function serviceOf({ services }: Imported, name: string): ServiceSpec {
  const found = services.find((service) => service.name === name);
  if (!found) throw new Error(`${name} was not imported: there are ${services.map((service) => service.name).join(', ')}`);
  return found;
}

/** `outcome kind name field: message`, of what is not imported as it is. */
export const linesOf = ({ findings }: Imported): readonly string[] =>
  findings
    .filter(({ outcome }) => outcome !== 'imported')
    .map(({ object, outcome, field = '', message = '' }) => `${outcome} ${object.kind} ${object.name} ${field}: ${message}`);

/** What nobody may overlook. */
export const alarmsOf = (imported: Imported): readonly string[] =>
  linesOf({ ...imported, findings: imported.findings.filter(({ security }) => security) });
