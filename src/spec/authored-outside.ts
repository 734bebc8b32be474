/** How it is written what leaves the mesh and what enters it: hosts a service calls, and gateways under whose hosts it is called. */
import { z } from 'zod';
import { eachOnce } from './authored-fields.ts';
import { domainSchema, nameSchema } from './names.ts';
import type { Egress } from './policy-schema.ts';

const host = domainSchema.refine((text) => !/^[\d.]+$/.test(text), {
  error: 'give a name, not an address: it is what requests are routed by',
});

export const authoredEgressSchema = z
  .array(
    z
      .union(
        [
          host,
          z.strictObject({
            host,
            protocol: z.enum(['http', 'tls']).optional().describe('What the workload itself speaks (tls)'),
            port: z.int().min(1).max(65_535).optional().describe('443 for tls, 80 for http'),
          }),
        ],
        { error: 'give a host, such as `api.example.com` or `{ host: api.example.com, port: 443, protocol: tls }`' },
      )
      .transform((written): Egress => {
        const { host: name, protocol = 'tls', port } = typeof written === 'string' ? { host: written } : written;
        return { host: name, port: port ?? (protocol === 'tls' ? 443 : 80), protocol };
      }),
  )
  .max(100)
  .superRefine(eachOnce(({ host: name, port }) => `${name}:${port}`, [], 'a host has one protocol at a port'));

const gateway = z
  .string()
  .max(127)
  .transform((written, context) => {
    const [first = '', second, ...rest] = written.split('/');
    const parsed = z.tuple([nameSchema, nameSchema.optional()]).safeParse([second ?? first, second === undefined ? undefined : first]);
    if (parsed.success && rest.length === 0) return { name: parsed.data[0], namespace: parsed.data[1] };
    context.addIssue({ code: 'custom', message: 'name a gateway as `name`, or as `namespace/name` where it lives in another namespace' });
    return z.NEVER;
  });

export const authoredIngressSchema = z
  .array(
    z.strictObject({
      host: host.describe('The name that callers outside use'),
      gateway: gateway.describe("A gateway that exists already: `name` in the service's namespace, or `namespace/name`"),
    }),
  )
  .max(100)
  .superRefine(
    eachOnce(({ host: name, gateway: at }) => `${name} on ${at.namespace ?? ''}/${at.name}`, [], 'name each host once a gateway'),
  );
