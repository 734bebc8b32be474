/** What several routes ask alike: who may, and pages, flags and reasons. */
import { z } from 'zod';
import { nameSchema } from '../spec/names.ts';
import type { Role } from './access.ts';
import { type Access, PLAIN } from './route.ts';

export const reader = (within: 'installation' | 'mesh' | 'service' | 'shown'): Access => ({ kind: 'role', role: 'Reader', within });
export const inMesh = (role: Role): Access => ({ kind: 'role', role, within: 'mesh' });
export const open = (because: string): Access => ({ kind: 'open', because });

export const meshParams = z.object({ mesh: nameSchema });
export const reason = z.string().min(1).max(500).exactOptional();
export const isTrue = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true');

/** In a query. `Number` itself would read an empty text as 0, and `1e3`, ` 7` and `0x10` too. */
const whole = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/)
    .transform(Number)
    .pipe(z.int().min(least).max(most));

/** `most` and `usual`: how many at once. */
export const page = (most: number, usual: number) =>
  z.object({
    after: whole(0, Number.MAX_SAFE_INTEGER).default(0),
    limit: whole(1, most).default(usual).describe(`From 1 to ${most}`),
  });

export const JOURNAL = {
  ...PLAIN,
  method: 'GET',
  query: page(1_000, 200),
  wrong: { reason: 'NotAPage', message: 'Give after as a version, and limit as a number up to 1,000.' },
} as const;
