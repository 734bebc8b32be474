/**
 * A token of Entra ID for whoever runs this: a workload with a federated credential (pipelines, pods), or a person who has signed in with the
 * Azure CLI or the Azure Developer CLI, in this order. No secret is read.
 */
import type { AccessToken, ChainedTokenCredential, TokenCredential } from '@azure/identity';

export interface AzureToken {
  readonly token: string;
  /** Epoch ms. */
  readonly endsAt: number;
}

/** Nobody is signed in, or Entra ID gives no token for this audience; the message says which. */
export class NoAzureToken extends Error {
  override name = 'NoAzureToken';
}

/** `federated`: whether the environment names a federated token (`AZURE_FEDERATED_TOKEN_FILE`). */
export async function whoeverRunsThis(federated: boolean): Promise<ChainedTokenCredential> {
  const identity = await import('@azure/identity');
  const ways: TokenCredential[] = [new identity.AzureCliCredential(), new identity.AzureDeveloperCliCredential()];
  return new identity.ChainedTokenCredential(...(federated ? [new identity.WorkloadIdentityCredential()] : []), ...ways);
}

/**
 * @param audience client id or URI of an app registration.
 * @param federated see `whoeverRunsThis`.
 * @throws NoAzureToken
 */
export async function azureToken(audience: string, federated: boolean): Promise<AzureToken> {
  const credential = await whoeverRunsThis(federated);
  let given: AccessToken;
  try {
    given = await credential.getToken(`${audience.replace(/\/+$/, '')}/.default`);
  } catch (error) {
    throw new NoAzureToken(whyNone(error), { cause: error });
  }
  return { token: given.token, endsAt: given.expiresOnTimestamp };
}

/** Every way that was tried has a reason; the first one's is what people have to see to. */
function whyNone(error: unknown): string {
  const first = error instanceof AggregateError ? error.errors[0] : error;
  const told = first instanceof Error ? first.message : String(first);
  return (told.split('\n')[0] ?? '').slice(0, 300);
}
