/** What an envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication makes of the token of a call, as Envoy works it out. */
import { z } from 'zod';
import type { Json, JsonObject } from '../../../src/journal/documents.ts';
import { at, isObject, knownFields, messages, text, texts } from './proto-json.ts';

/** A token in the `Authorization` header; in time, and signed by the key of this id. */
export interface Token {
  readonly key: string;
  readonly claims: JsonObject;
}

/** The claims that filters after it go by, or nothing where the call goes no further; `{}`: there is no token, and none is needed. */
export function verified(configuration: Json | undefined, token: Token | undefined): JsonObject | undefined {
  const [rule, more] = messages(configuration, 'rules');
  const providers = at(configuration, 'providers');
  const requirement = at(rule, 'requires');
  if (more !== undefined || text(rule, 'match', 'prefix') !== '/' || !isObject(requirement)) throw new Error('Not one rule for all calls.');
  const isGood = (name: string): boolean => believes(at(providers, name), token);
  if (!isMet(requirement, isGood, token)) return undefined;
  const isRead = isObject(providers) && Object.keys(providers).some(isGood);
  return isRead && token ? { payload: token.claims } : {};
}

function isMet(requirement: JsonObject, isGood: (provider: string) => boolean, token: Token | undefined): boolean {
  knownFields('A JwtRequirement', requirement, ['provider_name', 'requires_any', 'requires_all', 'allow_missing']);
  const name = text(requirement, 'provider_name');
  if (name !== undefined) return isGood(name);
  if (requirement.allow_missing !== undefined) return token === undefined;
  const [any, all] = [messages(requirement, 'requires_any', 'requirements'), messages(requirement, 'requires_all', 'requirements')];
  return any.length > 0
    ? any.some((each) => isMet(each, isGood, token))
    : all.length > 0 && all.every((each) => isMet(each, isGood, token));
}

const keysSchema = z.object({ keys: z.array(z.object({ kid: z.string() })) });

/** Of those whose keys are in its configuration. */
function believes(provider: Json | undefined, token: Token | undefined): boolean {
  if (token === undefined) return false;
  const headers = messages(provider, 'from_headers').map((header) => `${text(header, 'name')}: ${text(header, 'value_prefix')}`);
  if (headers.join() !== 'Authorization: Bearer ') throw new Error(`Tokens are looked for at ${headers.join()}.`);
  const audiences = texts(provider, 'audiences');
  const { keys } = keysSchema.parse(JSON.parse(text(provider, 'local_jwks', 'inline_string') ?? '{}'));
  const isFor = audiences.length === 0 || audiences.some((audience) => audience === token.claims.aud);
  return isFor && text(provider, 'issuer') === token.claims.iss && keys.some(({ kid }) => kid === token.key);
}
