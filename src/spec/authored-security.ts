/**
 * How it is written who may call a service: the stage of mTLS, and `allow` with names of services or workload identities. Names
 * stay names here: whose identity they are, the whole spec knows (`resolve-service.ts`).
 */
import { z } from 'zod';
import { httpMethods, present } from './authored-fields.ts';
import { path, pathMatch } from './authored-routes.ts';
import { nameSchema } from './names.ts';
import { STAGES } from './policy-schema.ts';

export const authoredMtlsSchema = z.enum(STAGES);

const caller = z.union([nameSchema, z.strictObject({ namespace: nameSchema, serviceAccount: nameSchema })], {
  error: 'name a service of the mesh, or give an identity: `{ namespace: shop, serviceAccount: web }`',
});

const pathOf = z
  .union([path, pathMatch], { error: 'give a path such as `/pay`, or one of `exact`, `prefix` and `regex`' })
  .transform((written) => (typeof written === 'string' ? { exact: written } : written));

const rule = z
  .union(
    [
      nameSchema,
      z.strictObject({
        from: z.array(caller).min(1).max(1000).describe('Services of the mesh, or identities; any of them'),
        methods: httpMethods.optional().describe('With any of these methods (all)'),
        paths: z.array(pathOf).min(1).max(100).optional().describe('On any of these paths; a plain text is the whole path (all)'),
      }),
    ],
    { error: 'name a service of the mesh, or give `from` with `methods` and `paths`' },
  )
  .transform((written) => {
    if (typeof written === 'string') return { from: [written] };
    return { from: written.from, ...present({ methods: written.methods, paths: written.paths }) };
  });

export const authoredAllowSchema = z.array(rule).max(1000);

/** One entry of `allow`, shorthand gone. */
export type WrittenRule = z.output<typeof rule>;
