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

/** `most` and `usual`: how many at once. */
export const page = (most: number, usual: number) =>
  z.object({ after: z.coerce.number().int().min(0).default(0), limit: z.coerce.number().int().min(1).max(most).default(usual) });

export const JOURNAL = {
  ...PLAIN,
  method: 'GET',
  query: page(1_000, 200),
  wrong: { reason: 'NotAPage', message: 'Give after as a version, and limit as a number up to 1,000.' },
} as const;
