/**
 * By which token a workload says who it is: the one that its platform keeps fresh in a file; or a join token the first time, and afterwards the
 * secret that it made itself and told nobody of but by its SHA-256. So an answer that was lost loses no place in the mesh.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ShownToken } from './doors.ts';
import { keepSecret } from './identity-files.ts';
import type { AgentSettings } from './settings.ts';

/** Refusals after which the next token may do. */
export const TRY_NEXT: readonly string[] = ['TokenUnknown', 'TokenExpired', 'JoinTokenUsed', 'NodeNotTheSame'];

/** In the order to show them. Throws where there is none, saying which file is to hold it. `cameBefore`: it was given a leaf once. */
export async function tokensToShow(
  { token, directory }: Pick<AgentSettings, 'token' | 'directory'>,
  cameBefore: boolean,
): Promise<readonly [ShownToken, ...ShownToken[]]> {
  const value = (await readFile(token.path, 'utf8').catch(() => '')).trim();
  if (token.kind !== 'join') {
    if (value === '') throw new Error(`the token file ${token.path} cannot be read or is empty`);
    return [{ kind: token.kind, value }];
  }
  const secret = await keepSecret(directory, () => `mwr_${randomBytes(32).toString('base64url')}`);
  const again: ShownToken = { kind: 'renewal', value: secret };
  // Whoever has joined may clear the join token away: it is of no use any more.
  if (value === '') return [again];
  const join: ShownToken = { kind: 'join', value, renewal: createHash('sha256').update(secret).digest('hex') };
  return cameBefore ? [again, join] : [join, again];
}
