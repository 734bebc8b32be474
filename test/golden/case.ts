/** What a golden case is given: one mesh's plans, its endpoints and a node, read from `<case>.in.yaml`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Endpoint, EnvoyNode } from '../../src/dataplanes/envoy/resources.ts';
import type { ServicePlan } from '../../src/plan/plan.ts';
import { servicePlanSchema } from '../../src/plan/stored-plan.ts';

export interface GoldenCase {
  readonly name: string;
  readonly plans: readonly ServicePlan[];
  readonly endpoints: readonly Endpoint[];
  readonly node?: EnvoyNode | undefined;
}

const at = { address: z.string(), port: z.int() };

const node: z.ZodType<EnvoyNode> = z.strictObject({
  id: z.string(),
  mesh: z.string(),
  dataPlane: z.string(),
  outbound: z.strictObject(at).exactOptional(),
  inbound: z.strictObject({ service: z.string(), version: z.string(), ...at, workloadPort: z.int() }).exactOptional(),
  gateway: z.strictObject({ name: z.string(), namespace: z.string(), ...at }).exactOptional(),
  identity: z.strictObject({ directory: z.string() }).exactOptional(),
});

const input = z.strictObject({
  plans: z.array(servicePlanSchema),
  endpoints: z
    .array(
      z.strictObject({
        service: z.string(),
        version: z.string(),
        ...at,
        region: z.string().exactOptional(),
        mtls: z.boolean().exactOptional(),
      }),
    )
    .default([]),
  node: node.exactOptional(),
});

/** Every `*.in.yaml` of this directory. Throws, naming the file, on one that is not a case. */
export function goldenCases(): readonly GoldenCase[] {
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.in.yaml'));
  return files.sort().map((file) => {
    const parsed = input.safeParse(parse(readFileSync(join(import.meta.dirname, file), 'utf8')));
    if (!parsed.success) throw new Error(`${file}: ${z.prettifyError(parsed.error)}`);
    return { name: file.slice(0, -'.in.yaml'.length), ...parsed.data };
  });
}
