/**
 * Calls to Key Vault: bounded in time, repeated only where twice is no more than once, and every failure said as the vault port says
 * it. Errors as of https://learn.microsoft.com/azure/key-vault/general/rest-error-codes; nothing of a request's body is ever in them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { VaultForbidden, VaultRefused, VaultUnavailable } from '../trust/vault.ts';
import { missingRole, refusedIdentity } from './missing-role.ts';

/** The built-in role that allows a call: https://learn.microsoft.com/azure/key-vault/general/rbac-guide. */
export type Role = 'Key Vault Certificates Officer' | 'Key Vault Crypto Officer' | 'Key Vault Crypto User' | 'Key Vault Secrets Officer';

export interface CallLimits {
  /** One attempt. */
  readonly attemptMs: number;
  /** All attempts of a call together, with the pauses between them. */
  readonly callMs: number;
}

export const CALL_LIMITS: CallLimits = { attemptMs: 5_000, callMs: 12_000 };
const ATTEMPTS = 3;
const FIRST_PAUSE_MS = 200;

/** Key Vault answered, and said no. */
export class KeyVaultAnswer extends VaultRefused {
  readonly status: number;
  /** The service's own finer reason, where it gave one. */
  readonly code: string | undefined;
  constructor(message: string, status: number, code?: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

type Attempt<T> = (signal: AbortSignal) => Promise<T>;

export class KeyVaultCalls {
  readonly #url: URL;
  readonly #limits: CallLimits;

  constructor(vaultUrl: string, limits: CallLimits) {
    this.#url = new URL(vaultUrl);
    this.#limits = limits;
  }

  /** For what makes something new: one attempt, whose answer may be lost. @throws VaultUnavailable, VaultRefused */
  async once<T>(role: Role, attempt: Attempt<T>): Promise<T> {
    try {
      return await attempt(AbortSignal.timeout(this.#limits.attemptMs));
    } catch (error) {
      throw this.#said(error, role);
    }
  }

  /** For what may be done twice. Waits as long as the vault asks for, if that is within the limit. @throws as `once` */
  async repeatable<T>(role: Role, attempt: Attempt<T>): Promise<T> {
    const until = performance.now() + this.#limits.callMs;
    for (let made = 1; ; made++) {
      try {
        return await this.once(role, attempt);
      } catch (error) {
        if (!(error instanceof VaultUnavailable) || made === ATTEMPTS) throw error;
        const pause = error.retryAfterMs ?? FIRST_PAUSE_MS * 2 ** (made - 1);
        if (performance.now() + pause + this.#limits.attemptMs > until) throw error;
        await sleep(pause);
      }
    }
  }

  /** As `repeatable`; `undefined` for what is not there. */
  async find<T>(role: Role, attempt: Attempt<T>): Promise<T | undefined> {
    try {
      return await this.repeatable(role, attempt);
    } catch (error) {
      if (error instanceof KeyVaultAnswer && error.status === 404) return undefined;
      throw error;
    }
  }

  #said(error: unknown, role: Role): unknown {
    const name = nameOf(error);
    const { data: answered } = answerSchema.safeParse(error);
    const { hostname } = this.#url;
    if (name.startsWith('Credential') || name.includes('Authentication'))
      return unavailableIf(
        answered?.statusCode,
        `No token for ${hostname} could be had (${firstLine(error)}); see that this app has a managed identity, and which.`,
      );
    if (name === 'AbortError' || name === 'TimeoutError')
      return new VaultUnavailable(`${hostname} did not answer within ${this.#limits.attemptMs} ms; what was asked may have been done.`);
    if (answered) return this.#answered(answered, role);
    if (networkSchema.safeParse(error).success) return new VaultUnavailable(`${hostname} cannot be reached (${firstLine(error)}).`);
    return LOCAL_REFUSAL.test(firstLine(error)) ? new VaultRefused(`${firstLine(error)}.`) : error;
  }

  #answered(answer: z.infer<typeof answerSchema>, role: Role): Error {
    const { statusCode: status, response } = answer;
    const { hostname } = this.#url;
    const text = firstLine(answer);
    if (status === 429 || status === 408 || status >= 500)
      return new VaultUnavailable(`${hostname} answered ${status} (${text}).`, retryAfterMs(response?.headers.get('retry-after')));
    if (status === 401)
      return new VaultForbidden(`${hostname} takes no token of this app (${text}); see that the vault is in the tenant of its identity.`);
    const inner = answer.details?.error?.innerError?.code;
    // Of a page of a list that is refused, the SDK keeps the status alone.
    if (status === 403 && (inner === 'ForbiddenByRbac' || answer.details === undefined))
      return new VaultForbidden(this.#roleIsMissing(role, answer.message));
    if (inner === 'ForbiddenByFirewall' || inner === 'ForbiddenByConnection')
      return new VaultForbidden(
        `${hostname} lets no call from here through its firewall (${text}); allow this app's network, or give it a private endpoint.`,
      );
    if (inner === 'ObjectIsDeletedButRecoverable' || inner === 'ObjectIsBeingDeleted')
      return new KeyVaultAnswer(`${text} Recover it, purge it, or choose another name.`, status, inner);
    return new KeyVaultAnswer(`${hostname} answered ${status}: ${text}`, status, inner);
  }

  #roleIsMissing(role: Role, message: string): string {
    const vault = this.#url.hostname.split('.')[0];
    const who = refusedIdentity(message);
    const action = /^Action: '([^']+)'/m.exec(message)?.[1] ?? 'the call';
    const scope = `$(az keyvault show --name ${vault} --query id --output tsv)`;
    return `${this.#url.hostname} does not allow ${action}: ${missingRole({ role, who, scope })}`;
  }
}

const answerSchema = z.object({
  statusCode: z.number(),
  message: z.string(),
  details: z
    .object({ error: z.object({ innerError: z.object({ code: z.string().optional() }).optional() }).optional() })
    .optional()
    .catch(undefined),
  response: z.object({ headers: z.custom<{ get(name: string): string | undefined }>(isHeaders) }).optional(),
});
const networkSchema = z.object({
  code: z.enum(['REQUEST_SEND_ERROR', 'PARSE_ERROR', 'ECONNRESET', 'ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT']),
});
/** What the SDK refuses by itself, from the key it read. */
const LOCAL_REFUSAL = /can't be used before|expired at|is not supported on key/;

function isHeaders(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'get' in value && typeof value.get === 'function';
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');
const firstLine = (error: unknown): string => {
  const message = typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
  return message.split(/\r?\n/)[0] ?? '';
};

const unavailableIf = (status: number | undefined, message: string): Error =>
  status !== undefined && (status >= 500 || status === 429) ? new VaultUnavailable(message) : new VaultForbidden(message);

/** Seconds; Key Vault writes no dates here. */
function retryAfterMs(header: string | undefined): number | undefined {
  const seconds = Number(header);
  return header === undefined || !Number.isFinite(seconds) || seconds < 0 ? undefined : seconds * 1000;
}
