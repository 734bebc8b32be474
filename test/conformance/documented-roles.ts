/** The roles that a page of the docs asks for, and a user who has them and no other. */
import { readFile } from 'node:fs/promises';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import type { ApiServer } from './api-server.ts';

const objectSchema = z
  .object({ apiVersion: z.string(), kind: z.string(), metadata: z.object({ name: z.string(), namespace: z.string().exactOptional() }) })
  .catchall(z.json());

/** A token; `page` such as `istio.md`, `section` one of its headings, the whole page if left out. Throws where there are no roles. */
export async function tokenOfTheDocs(api: ApiServer, page: string, section?: string): Promise<string> {
  const text = await readFile(new URL(`../../docs/${page}`, import.meta.url), 'utf8');
  const from = section === undefined ? 0 : text.indexOf(`\n## ${section}\n`);
  const roles = from < 0 ? undefined : /```yaml\n(apiVersion: rbac[^`]*)```/.exec(text.slice(from))?.[1];
  if (roles === undefined) throw new Error(`docs/${page} says nothing of roles.`);
  const token = await api.serviceAccountToken('default', 'meshwright');
  const user = 'system:serviceaccount:default:meshwright';
  const documents = parseAllDocuments(roles.replaceAll('MESHWRIGHT', user)).map((each) => objectSchema.parse(each.toJS()));
  for (const { metadata } of documents) if (metadata.namespace !== undefined) await api.namespace(metadata.namespace);
  await api.admin.mustApply(...documents);
  return token;
}
