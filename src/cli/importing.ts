/**
 * `meshwright import`: what a folder, a cluster or Consul has of another mesh, as a spec in a folder, with the report beside it. Reads only;
 * what is in the way in the folder is left alone unless it is to be overwritten.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { rendererOf } from '../dataplanes/renderers.ts';
import { cutOver } from '../import/cut-over.ts';
import { type Imported, importMesh } from '../import/import-mesh.ts';
import { objectsIn, readObjects, type SourceObject, type UnreadableFile } from '../import/objects.ts';
import { type ImportReport, importReport, reportText } from '../import/report.ts';
import type { DataPlaneKind } from '../spec/schema.ts';
import { serviceFidelity } from '../spec-fidelity.ts';
import { Failure } from './failure.ts';
import { filesIn } from './spec-folder.ts';
import type { Terminal } from './terminal.ts';

const REPORT = 'import-report';

export interface ImportOptions {
  readonly out: string;
  readonly mesh: string;
  readonly to?: DataPlaneKind;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly consul?: string;
  readonly consulDefault?: 'allow' | 'deny';
  readonly force?: boolean;
  readonly json?: boolean;
}

interface Sources {
  readonly objects: readonly SourceObject[];
  readonly unreadable: readonly UnreadableFile[];
  readonly consulDefault?: 'allow' | 'deny';
}

/** @throws Failure with exit code 3 when the target refuses any of the spec, once everything is written. */
export async function importSpec(terminal: Terminal, folder: string | undefined, options: ImportOptions): Promise<void> {
  const sources = await readSources(terminal, folder, options);
  const imported = imports(sources, options);
  const report = reportOf(imported, sources);
  const text = reportText(report);
  const files = new Map([
    ...imported.files.map(({ path, text: content }) => [path, content] as const),
    [`${REPORT}.json`, `${JSON.stringify(report, null, 2)}\n`],
    [`${REPORT}.txt`, `${text}\n`],
  ]);
  await write(options.out, files, options.force ?? false);
  terminal.out(
    options.json
      ? JSON.stringify({ ...report, files: [...files.keys()] }, null, 2)
      : `${text}\n\nThe spec and this report are in ${options.out}.`,
  );
  const refused = report.changes.filter(({ judgement }) => judgement.kind === 'refused');
  if (refused.length > 0)
    throw new Failure(
      `${report.to} cannot say ${refused.length} of the things that the spec asks for; \`meshwright plan ${options.out}\` names their lines.`,
      { exitCode: 3 },
    );
}

async function readSources(
  terminal: Terminal,
  folder: string | undefined,
  { kubeconfig, context, consul, consulDefault }: ImportOptions,
): Promise<Sources> {
  if (folder === undefined && kubeconfig === undefined && consul === undefined)
    throw new Failure('Say what is imported: a folder, --kubeconfig or --consul.', { exitCode: 2 });
  const files = folder === undefined ? [] : await filesIn(folder, /\.(ya?ml|json)$/i);
  if (folder !== undefined && files.length === 0) throw new Failure(`There is no .yaml, .yml or .json file in ${folder}.`);
  const all = [readObjects(files)];
  let policy = consulDefault;
  if (kubeconfig !== undefined || consul !== undefined) {
    const { readClusterMesh, readConsulMesh } = await import('../mesh-reading.ts');
    const told = (error: unknown): never => {
      throw new Failure(error instanceof Error ? error.message : 'It cannot be read.');
    };
    if (kubeconfig !== undefined) {
      const { values, missing } = await readClusterMesh(kubeconfig, context).catch(told);
      all.push(objectsIn('cluster', values), { objects: [], unreadable: missing.map((message) => ({ file: 'cluster', message })) });
    }
    if (consul !== undefined) {
      const reading = await readConsulMesh(consul, terminal.environment.CONSUL_HTTP_TOKEN).catch(told);
      all.push(objectsIn(consul, reading.values), {
        objects: [],
        unreadable: reading.missing.map((message) => ({ file: consul, message })),
      });
      policy ??= reading.defaultPolicy;
    }
  }
  return {
    objects: all.flatMap(({ objects }) => objects),
    unreadable: all.flatMap(({ unreadable }) => unreadable),
    ...(policy === undefined ? {} : { consulDefault: policy }),
  };
}

function imports({ objects, unreadable, consulDefault }: Sources, { mesh, to }: ImportOptions): Imported {
  try {
    return importMesh(objects, { mesh, ...(to === undefined ? {} : { to }), ...(consulDefault === undefined ? {} : { consulDefault }) });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const details = unreadable.map(({ file, message }) => `${file}: ${message}`);
    throw new Failure(`Nothing is imported: ${error.message}.`, { details });
  }
}

function reportOf(imported: Imported, { unreadable }: Sources): ImportReport {
  const [dataPlane] = imported.mesh.dataPlanes;
  if (!dataPlane) throw new Error('An imported mesh has one data plane.');
  const fidelity = imported.services.map((service) => ({
    service: service.name,
    entries: serviceFidelity(imported.mesh.name, service, dataPlane),
  }));
  const services = imported.services.map(({ name, namespace, mtls, allow, serviceAccount }) => ({
    name,
    namespace,
    mtls: mtls?.stage,
    allow,
    serviceAccount: serviceAccount ?? name,
  }));
  const steps = cutOver(services, { from: imported.from, to: dataPlane.kind, fidelity: rendererOf(dataPlane).fidelity });
  return importReport(imported, { to: dataPlane.kind, unreadable, cutOver: steps, fidelity });
}

/** Whole or not at all, as far as what is there can say: a spec of two imports would be neither. */
async function write(folder: string, files: ReadonlyMap<string, string>, force: boolean): Promise<void> {
  const there = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const foreign = there
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !files.has(path));
  const changed = await Promise.all(
    [...files].map(async ([path, text]) => ((await readFile(join(folder, path), 'utf8').catch(() => text)) === text ? [] : [path])),
  );
  const inTheWay = [...foreign.filter((path) => /\.ya?ml$/i.test(path)), ...changed.flat()];
  if (inTheWay.length > 0 && !force)
    throw new Failure(`Nothing is written: ${folder} holds other files; give an empty folder, or --force to write over them.`, {
      details: inTheWay.sort(),
    });
  for (const [path, text] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}
