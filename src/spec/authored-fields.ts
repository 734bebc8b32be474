/**
 * The spellings that several parts of a spec file share: durations, headers and methods, lists that name things once. Each
 * schema reads what people write and gives the normalized value.
 */
import { z } from 'zod';
import { formatDuration, parseDuration } from './duration.ts';
import { MAX_DURATION_MS } from './policy-schema.ts';

export const API_VERSION = 'meshwright.dev/v1';

/** A text such as `90s`, `5m` or `1h30m`, of at least `minimumMs` and at most `maximumMs` (30 days); gives milliseconds. */
export function duration(minimumMs: number, maximumMs = MAX_DURATION_MS) {
  return z
    .string({ error: 'write a duration with its unit, such as `90s`, `5m` or `1h30m`' })
    .max(64)
    .transform((text, context) => {
      const milliseconds = parseDuration(text);
      if (milliseconds === undefined) {
        context.addIssue({ code: 'custom', message: 'write a duration with its unit, such as `90s`, `5m` or `1h30m`' });
        return z.NEVER;
      }
      if (milliseconds < minimumMs || milliseconds > maximumMs) {
        const limits = `between ${formatDuration(minimumMs)} and ${formatDuration(maximumMs)}`;
        context.addIssue({ code: 'custom', message: `give a duration ${limits}` });
        return z.NEVER;
      }
      return milliseconds;
    });
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export const headerName = z.string().max(256).regex(TOKEN, { error: 'this is no name of a header' });

/** HTTP methods, any of them; gives them in upper case, sorted, each once. */
export const httpMethods = z
  .array(z.string().max(32).regex(TOKEN, { error: 'this is no HTTP method' }))
  .min(1)
  .transform((written) => [...new Set(written.map((method) => method.toUpperCase()))].sort());

/** Adds an issue at every item whose `key` an earlier item has. */
export function eachOnce<Item>(key: (item: Item) => string, path: readonly string[], what: string) {
  return (items: readonly Item[], context: z.RefinementCtx): void => {
    const seen = new Set<string>();
    items.forEach((item, index) => {
      if (seen.has(key(item))) {
        context.addIssue({ code: 'custom', path: [index, ...path], message: `\`${key(item)}\` is here twice; ${what}` });
      }
      seen.add(key(item));
    });
  };
}

/** Undefined values left out, so that the result fits types whose fields are absent rather than undefined. */
export function present<Fields extends Record<string, unknown>>(
  fields: Fields,
): { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> };
export function present(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** A path would be taken for a part of what is asked for, and what is said of a person would be kept. */
function isOriginAlone(address: string): boolean {
  const { origin, href } = new URL(address);
  return href === `${origin}/`;
}

/** The address of a Key Vault. */
export const keyVault = z
  .url({ protocol: /^https$/, abort: true, error: 'give the address of a Key Vault, such as `https://shop.vault.azure.net`' })
  .refine(isOriginAlone, { error: 'give the address of a Key Vault alone, without a path or a name before it' });
