/** What tenants of Entra ID name themselves in the tokens they give ("Access tokens in the Microsoft identity platform", claim `iss`). */

export const ENTRA_AUTHORITY = 'https://login.microsoftonline.com';
/** Of version 1.0, whatever authority gave them. */
const V1 = 'https://sts.windows.net';

/** Both are signed with the keys that the discovery document of `v2` leads to. */
export function entraIssuers(authority: string, tenant: string): { readonly v1: string; readonly v2: string } {
  return { v1: `${V1}/${tenant}/`, v2: `${authority.replace(/\/+$/, '')}/${tenant}/v2.0` };
}

/** Of version 2.0 ("OAuth 2.0 authorization code flow" of the Microsoft identity platform). */
export function entraEndpoints(authority: string, tenant: string): { readonly authorize: string; readonly token: string } {
  const base = `${authority.replace(/\/+$/, '')}/${tenant}/oauth2/v2.0`;
  return { authorize: `${base}/authorize`, token: `${base}/token` };
}
