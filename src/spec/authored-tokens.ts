/**
 * How it is written whose tokens a service asks for: a tenant of Entra ID, or any issuer of JSON Web Tokens by its name and the
 * address of its keys. Addresses of Entra ID: "Access tokens" and "OpenID Connect" of the Microsoft identity platform, version 2.0.
 */
import { z } from 'zod';
import { eachOnce, present } from './authored-fields.ts';
import { httpsAddress, type Tokens, text } from './policy-schema.ts';

const ENTRA = 'https://login.microsoftonline.com';

const claim = text.max(256).regex(/^\S+$/, { error: 'give it without blanks' });
const asked = {
  audience: claim.describe('Whom the tokens are for: their `aud`, letter by letter'),
  roles: z
    .array(claim)
    .min(1)
    .max(100)
    .superRefine(eachOnce((role) => role, [], 'name each role once'))
    .optional()
    .describe('App roles: `roles` of a token holds one of these at least (none is asked for)'),
};

const issuerName = z.url({ protocol: /^https$/, error: 'give the https address by which the issuer calls itself in `iss`' }).max(1024);

export const authoredTokensSchema = z
  .union(
    [
      z
        .strictObject({
          entra: z.strictObject({
            tenant: z
              .uuid({ error: 'give the id of the tenant, a UUID' })
              .describe('The directory (tenant) id; its tokens are of version 2.0'),
            ...asked,
          }),
        })
        .transform(({ entra: { tenant, audience, roles } }): Tokens => {
          // In `iss` it is in lower case.
          const authority = `${ENTRA}/${tenant.toLowerCase()}`;
          return tokens({ issuer: `${authority}/v2.0`, audience, jwks: `${authority}/discovery/v2.0/keys`, roles });
        }),
      z
        .strictObject({
          issuer: issuerName.describe('The `iss` of the tokens, letter by letter'),
          jwks: httpsAddress.describe("Where the issuer's keys are: `jwks_uri` of its discovery document"),
          ...asked,
        })
        .transform(tokens),
    ],
    { error: 'write `entra: { tenant, audience }`, or `issuer`, `audience` and `jwks`' },
  )
  .describe('A call needs a token, beside what `allow` says');

function tokens({ issuer, audience, jwks, roles }: Omit<Tokens, 'roles'> & { readonly roles?: readonly string[] | undefined }): Tokens {
  return { issuer, audience, jwks, ...present({ roles: roles && [...roles].sort() }) };
}
