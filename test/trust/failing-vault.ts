/** A vault whose calls can fail once, before their effect or after it: what a crash, a time-out or a lost answer leaves behind. */
import { type Vault, VaultUnavailable } from '../../src/trust/vault.ts';

export type Moment = 'before' | 'after';

export interface Failing extends Vault {
  /** Names of the calls so far, in order. */
  readonly calls: readonly string[];
}

/** Fails call number `failing` (from 0) at `moment`; all others go through. */
export function failingVault(vault: Vault, failing: number, moment: Moment): Failing {
  const calls: string[] = [];
  const through = async <Answer>(name: string, call: () => Promise<Answer>): Promise<Answer> => {
    const fails = calls.push(name) - 1 === failing;
    if (fails && moment === 'before') throw new VaultUnavailable(`${name} did not arrive.`);
    const answer = await call();
    if (fails) throw new VaultUnavailable(`${name} was done, its answer lost.`);
    return answer;
  };
  return {
    calls,
    begin: (request) => through('begin', () => vault.begin(request)),
    complete: (request) => through('complete', () => vault.complete(request)),
    abandon: (request) => through('abandon', () => vault.abandon(request)),
    versions: (name) => through('versions', () => vault.versions(name)),
    makeKey: (request) => through('makeKey', () => vault.makeKey(request)),
    sign: (keyId, algorithm, message) => through('sign', () => vault.sign(keyId, algorithm, message)),
    setEnabled: (id, enabled) => through('setEnabled', () => vault.setEnabled(id, enabled)),
    list: () => through('list', () => vault.list()),
  };
}
