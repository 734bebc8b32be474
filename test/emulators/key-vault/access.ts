/**
 * Who may do what: tokens, the challenge that a call without one gets, and the built-in roles with their data actions, as of
 * https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security.
 */
import { randomUUID } from 'node:crypto';
import type { TokenCredential } from '@azure/identity';
import { type Answer, Problem } from './answers.ts';

const VAULTS = 'Microsoft.KeyVault/vaults';
const ROLES = {
  'Key Vault Administrator': [/./],
  'Key Vault Reader': [/\/read$/, /^secrets\/readMetadata\/action$/],
  'Key Vault Certificates Officer': [/^certificates\//],
  'Key Vault Crypto Officer': [/^keys\//],
  'Key Vault Crypto User': [/^keys\/read$/, /^keys\/(update|backup|encrypt|decrypt|wrap|unwrap|sign|verify)\/action$/],
  'Key Vault Secrets Officer': [/^secrets\//],
  'Key Vault Secrets User': [/^secrets\/(getSecret|readMetadata)\/action$/],
} as const;

export type Role = keyof typeof ROLES;

export interface Principal {
  readonly objectId: string;
  readonly roles: readonly Role[];
}

const CHALLENGE =
  'Bearer authorization="https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555", resource="https://vault.azure.net"';

export class Access {
  readonly #principals = new Map<string, Principal>();

  /** A credential as the SDKs take one, with a token that is good for this vault alone. */
  credential(roles: readonly Role[]): TokenCredential & { readonly objectId: string } {
    const [token, objectId] = [randomUUID(), randomUUID()];
    this.#principals.set(token, { objectId, roles });
    return { objectId, getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) };
  }

  /** Whose token it is; without a good one the challenge that tells where to get one. */
  principal(authorization: string | undefined): Principal | Answer {
    const token = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1];
    const principal = token === undefined ? undefined : this.#principals.get(token);
    if (principal) return principal;
    const message =
      token === undefined
        ? 'AKV10000: Request is missing a Bearer or PoP token.'
        : 'AKV10032: Invalid issuer. Expected one of https://sts.windows.net/11111111-2222-3333-4444-555555555555/.';
    return { status: 401, body: { error: { code: 'Unauthorized', message } }, headers: { 'www-authenticate': CHALLENGE } };
  }

  /** @throws Problem 403, in the words of a vault that goes by Azure RBAC. */
  check({ objectId, roles }: Principal, action: string, object: string): void {
    if (roles.some((role) => ROLES[role].some((pattern) => pattern.test(action)))) return;
    const lines = [
      'Caller is not authorized to perform action on resource.',
      'If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.',
      `Caller: appid=${objectId};oid=${objectId};iss=https://sts.windows.net/11111111-2222-3333-4444-555555555555/`,
      `Action: '${VAULTS}/${action}'`,
      `Resource: '/subscriptions/s/resourcegroups/g/providers/microsoft.keyvault/vaults/stand-in/${object}'`,
      'Assignment: (not found)',
      'DenyAssignmentId: null',
      "DecisionReason: 'DeniedWithNoValidRBAC' ",
      'Vault: stand-in;location=westeurope',
      '',
    ];
    throw new Problem(403, 'Forbidden', lines.join('\r\n'), 'ForbiddenByRbac');
  }
}
