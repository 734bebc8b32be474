/** What Consul holds of service-mesh configuration, read and nothing else: its config entries, and its default for calls nobody spoke of. */
import { z } from 'zod';
import { contentOf, tokenHeader } from './consul-http.ts';

const TIMEOUT_MS = 10_000;
const KINDS = [
  'service-defaults',
  'service-resolver',
  'service-splitter',
  'service-router',
  'service-intentions',
  'proxy-defaults',
  'mesh',
];

const selfSchema = z.object({
  DebugConfig: z.object({
    ACLDefaultPolicy: z.string().optional(),
    ACLResolverSettings: z.object({ ACLDefaultPolicy: z.string() }).optional(),
  }),
});

export interface ConsulConfig {
  readonly entries: readonly unknown[];
  /** Left out: the token may not ask. */
  readonly defaultPolicy?: 'allow' | 'deny';
}

/** Rejects with a sentence when Consul does not answer, or refuses to list a kind. */
export async function readConsulConfig(address: string, token?: string): Promise<ConsulConfig> {
  const base = address.replace(/\/+$/, '');
  const ask = async (path: string): Promise<{ readonly status: number; readonly text: string }> => {
    const headers = token === undefined ? {} : tokenHeader(token, base);
    const response = await fetch(`${base}${path}`, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) }).catch((error: unknown) => {
      throw new Error(`Consul at ${base} gave no answer: ${error instanceof Error ? error.message : 'unknown'}.`, { cause: error });
    });
    return { status: response.status, text: await response.text() };
  };
  const entries: unknown[] = [];
  for (const kind of KINDS) {
    const { status, text } = await ask(`/v1/config/${kind}`);
    if (status !== 200) throw new Error(`Consul at ${base} does not list ${kind} (${status}): ${text.trim().slice(0, 200)}`);
    entries.push(...contentOf(z.array(z.unknown()), { status, text }, base));
  }
  const self = await ask('/v1/agent/self');
  const debug = self.status === 200 ? selfSchema.safeParse(contentOf(z.unknown(), self, base)).data?.DebugConfig : undefined;
  const policy = z.enum(['allow', 'deny']).safeParse(debug?.ACLResolverSettings?.ACLDefaultPolicy ?? debug?.ACLDefaultPolicy).data;
  return { entries, ...(policy === undefined ? {} : { defaultPolicy: policy }) };
}
