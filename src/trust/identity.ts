/**
 * Who a workload is: its SPIFFE ID, in the one form that this project gives out, `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`
 * (SPIFFE-ID 1.0, with the path that Istio and its peers use).
 */

export interface Identity {
  readonly namespace: string;
  readonly serviceAccount: string;
}

const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
/** Kubernetes lets the name of a service account be a DNS subdomain. */
const SPIFFE_ID = new RegExp(`^spiffe://(${LABEL}(?:\\.${LABEL})*)/ns/(${LABEL})/sa/(${LABEL}(?:\\.${LABEL})*)$`);
/** SPIFFE-ID 1.0, §2.3. */
const MAX_BYTES = 2_048;

export const spiffeIdOf = (trustDomain: string, { namespace, serviceAccount }: Identity): string =>
  `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;

/** `undefined`: no SPIFFE ID, or not of this form. */
export function readSpiffeId(text: string): (Identity & { readonly trustDomain: string }) | undefined {
  if (text.length > MAX_BYTES) return undefined;
  const [, trustDomain, namespace, serviceAccount] = SPIFFE_ID.exec(text) ?? [];
  if (trustDomain === undefined || namespace === undefined || serviceAccount === undefined) return undefined;
  return { trustDomain, namespace, serviceAccount };
}
