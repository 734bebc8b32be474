/**
 * `meshwright journal verify --anchors`: the anchors of each day, from the container that cannot be changed or a folder that they were copied
 * into, and an exported journal held against them: what was rewritten with a chain that holds is found here and nowhere else.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeptAnchor } from '../adapters/anchor-blobs.ts';
import { type Anchor, AnchorCheck, readAnchor } from '../journal/anchors.ts';
import { Failure } from './failure.ts';

const DAY_MS = 24 * 3_600_000;
const NAMED_AT_MOST = 5;
const FILE = /^(\d{4}-\d{2}-\d{2})\.json$/;

export interface ChainedCommit {
  readonly stream: string;
  readonly version: number;
  readonly hash: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** In order of their days. @throws Failure where there is none, or one is not as it was written. */
export async function readAnchors(where: string, environment: Environment): Promise<readonly Anchor[]> {
  const kept = /^https?:\/\//.test(where) ? await fromContainer(where, environment) : await fromFolder(where);
  const read = kept.toSorted((a, b) => (a.day < b.day ? -1 : 1)).map(({ day, text }) => readAnchor(day, text));
  const wrong = read.filter((each) => typeof each === 'string');
  if (wrong.length > 0) throw new Failure('Not every anchor is as it was written.', { details: wrong });
  if (read.length === 0) throw new Failure(`There is no anchor in ${shown(where)}; they are named by their days, such as 2026-11-22.json.`);
  return read.filter((each) => typeof each !== 'string');
}

/**
 * What of the anchors holds, as a sentence or some. `commits`: of an export that began at `exportedAt` (epoch ms), whose chains hold.
 * @throws Failure with every stream whose history is not what it was.
 */
export async function holdAgainst(anchors: readonly Anchor[], exportedAt: number, commits: AsyncIterable<ChainedCommit>): Promise<string> {
  const older = anchors.filter(({ at }) => at <= exportedAt);
  const check = new AnchorCheck();
  const problems = older.flatMap((anchor) => check.add(anchor));
  for await (const { stream, version, hash } of commits) check.commit(stream, version, hash);
  problems.push(...check.problems());
  if (problems.length > 0)
    throw new Failure('The journal is not the one that was anchored; its chains hold, and were made anew.', { details: problems });
  const newer = anchors.length - older.length;
  const notHeld = newer === 0 ? '' : ` ${counted(newer)} newer than the export: export again to hold it against them.`;
  const [first, last] = [older[0], older.at(-1)];
  if (!first || !last) return `No anchor is as old as the export.${notHeld}`;
  const days = first === last ? `of ${first.day}` : `from ${first.day} to ${last.day}`;
  return `Of ${counted(older.length, '')} ${days} it has every head.${gapsText(older)}${notHeld}`;
}

const counted = (count: number, is = count === 1 ? ' is' : ' are'): string => `${count} ${count === 1 ? 'anchor' : 'anchors'}${is}`;

function gapsText(anchors: readonly Anchor[]): string {
  const days = new Set(anchors.map(({ day }) => day));
  const missing: string[] = [];
  const last = Date.parse(anchors.at(-1)?.day ?? '');
  for (let at = Date.parse(anchors[0]?.day ?? ''); at < last; at += DAY_MS) {
    const day = new Date(at).toISOString().slice(0, 10);
    if (!days.has(day)) missing.push(day);
  }
  if (missing.length === 0) return '';
  const more = missing.length > NAMED_AT_MOST ? ` and ${missing.length - NAMED_AT_MOST} more days` : '';
  return ` There is no anchor of ${missing.slice(0, NAMED_AT_MOST).join(', ')}${more}.`;
}

async function fromFolder(folder: string): Promise<readonly KeptAnchor[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw new Failure(`${folder} cannot be read: ${error instanceof Error ? error.message : error}.`, { exitCode: 2 });
  });
  const days = names.flatMap((name) => FILE.exec(name)?.[1] ?? []);
  return Promise.all(days.map(async (day) => ({ day, text: await readFile(join(folder, `${day}.json`), 'utf8') })));
}

/** By a signature in the address where there is one, else as whoever has signed in. Azure's libraries are loaded only here. */
async function fromContainer(address: string, environment: Environment): Promise<readonly KeptAnchor[]> {
  const url = URL.parse(address);
  const isHere = url?.hostname === '127.0.0.1' || url?.hostname === 'localhost';
  if (!url || (url.protocol !== 'https:' && !isHere))
    throw new Failure('The address of the anchors must begin with https://.', { exitCode: 2 });
  const { keptAnchors } = await import('../adapters/anchor-blobs.ts');
  const { whoeverRunsThis } = await import('../adapters/azure-token.ts');
  const credential = url.searchParams.has('sig') ? undefined : await whoeverRunsThis(Boolean(environment.AZURE_FEDERATED_TOKEN_FILE));
  try {
    return await keptAnchors(address, credential);
  } catch (error) {
    const why = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
    const remedy = 'sign in with "az login" as somebody with the role "Storage Blob Data Reader" on it';
    throw new Failure(`The anchors in ${shown(address)} cannot be read; ${remedy}.`, { details: [why.slice(0, 300)] });
  }
}

/** Without its signature. */
const shown = (where: string): string => where.split('?')[0] ?? where;
