/** What is said where Azure Storage refuses this app: for want of a role the role and what grants it; anything else as it came. */
import { z } from 'zod';
import { missingRole, refusedIdentity } from './missing-role.ts';

/** https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes: for want of a role; by a firewall it is AuthorizationFailure. */
const refusedSchema = z.object({ statusCode: z.literal(403), code: z.literal('AuthorizationPermissionMismatch'), message: z.string() });

export interface RefusedPlace {
  /** Such as `queue`. */
  readonly kind: 'queue' | 'container';
  readonly name: string;
  readonly accountName: string;
  /** What it did not let this app do, after "this app". */
  readonly refuses: string;
}

const ROLES = { queue: 'Storage Queue Data Contributor', container: 'Storage Blob Data Contributor' } as const;

export function storageRefusal(error: unknown, { kind, name, accountName, refuses }: RefusedPlace): unknown {
  const refused = refusedSchema.safeParse(error);
  if (!refused.success) return error;
  const scope = `$(az storage account show --name ${accountName} --query id --output tsv)`;
  const missing = missingRole({ role: ROLES[kind], who: refusedIdentity(refused.data.message), scope });
  return new Error(`The ${kind} ${name} of ${accountName} ${refuses} this app: ${missing}`, { cause: error });
}
