/**
 * The CRDs of each mesh as its makers ship them: from the Go modules that `servers/` pins, and Linkerd's from `crds/linkerd`
 * (see the note there). Read with `yaml`, since other readers lose parts of large schemas.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import type { KubeObject } from './kube-client.ts';
import { crdFiles, type ModuleCrds } from './servers/build.ts';

export type CrdSet = ModuleCrds | 'linkerd';

const Crd = z.object({
  apiVersion: z.literal('apiextensions.k8s.io/v1'),
  kind: z.literal('CustomResourceDefinition'),
  metadata: z.looseObject({ name: z.string(), annotations: z.record(z.string(), z.string()).nullish() }),
  spec: z.json(),
});

/** In the order of their files. `gateway-api-experimental` replaces `gateway-api`; install one of them. */
export async function crds(set: CrdSet): Promise<readonly KubeObject[]> {
  const found: KubeObject[] = [];
  for (const file of await yamlFiles(set === 'linkerd' ? join(import.meta.dirname, 'crds', 'linkerd') : await crdFiles(set))) {
    for (const document of parseAllDocuments(await readFile(file, 'utf8'))) {
      const crd = Crd.safeParse(document.toJS());
      if (!crd.success) continue;
      const { apiVersion, kind, metadata, spec } = crd.data;
      found.push({ apiVersion, kind, metadata: { name: metadata.name, annotations: metadata.annotations ?? {} }, spec });
    }
  }
  return found;
}

async function yamlFiles(path: string): Promise<readonly string[]> {
  if ((await stat(path)).isFile()) return [path];
  return (await readdir(path)).filter((file) => file.endsWith('.yaml')).map((file) => join(path, file));
}
