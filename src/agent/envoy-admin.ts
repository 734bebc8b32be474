/**
 * What an Envoy really has loaded, asked of its admin interface: the certificates of its secrets from `/config_dump`, whether connections are
 * made with them from `/certs`, and updates that it refused from `/stats`. Formats: envoy.admin.v3 SecretsConfigDump and Certificates, as JSON.
 */
import type { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { exchange, explained } from '../adapters/http-exchange.ts';
import type { Loaded } from './doors.ts';
import { certificatesIn, fingerprintOf, type HeldLeaf } from './identity-files.ts';

const TIMEOUT_MS = 5_000;
/** More than any rotation needs, and as many as a report holds. */
const MOST_ROOTS = 32;

const sourceSchema = z.object({ inline_string: z.string(), inline_bytes: z.string() }).partial();
const secretSchema = z.object({
  name: z.string(),
  secret: z
    .object({
      tls_certificate: z.object({ certificate_chain: sourceSchema }).partial(),
      validation_context: z.object({ trusted_ca: sourceSchema }).partial(),
    })
    .partial()
    .optional(),
});
const dumpSchema = z.object({ configs: z.array(secretSchema).default([]) });
const serial = z.object({ serial_number: z.string() });
const certsSchema = z.object({
  certificates: z.array(z.object({ ca_cert: z.array(serial).default([]), cert_chain: z.array(serial).default([]) })).default([]),
});
const statsSchema = z.object({ stats: z.array(z.object({ name: z.string().optional(), value: z.unknown().optional() })) });

/** Nobody listens: the proxy is not there, and cannot trust or present anything. */
export class EnvoyAbsent extends Error {
  override name = 'EnvoyAbsent';
}

export interface SeenEnvoy {
  readonly loaded: Loaded;
  /** The SPIFFE ID of its leaf. */
  readonly identity?: string;
  /** Updates of a secret that it has taken and refused since it was started, by the secret's name. */
  readonly updates: Readonly<Record<string, { readonly taken: number; readonly refused: number }>>;
  /** What its parts contradict each other in. */
  readonly contradiction?: string;
}

/** Throws `EnvoyAbsent`, or another error where it does not answer as Envoy does. */
export async function lookAtEnvoy(admin: string): Promise<SeenEnvoy> {
  const [dump, certs, stats] = await Promise.all([
    ask(admin, '/config_dump?resource=dynamic_active_secrets', dumpSchema),
    ask(admin, '/certs', certsSchema),
    ask(admin, '/stats?format=json&filter=%5Esds%5C.', statsSchema),
  ]);
  const bundles = dump.configs.filter(({ name }) => name === 'bundle').map(({ secret }) => pemOf(secret?.validation_context?.trusted_ca));
  const chains = dump.configs
    .filter(({ name }) => name === 'default')
    .map(({ secret }) => pemOf(secret?.tls_certificate?.certificate_chain));
  const sets = new Set(bundles.map((pem) => certificatesIn(pem).map(fingerprintOf).sort().join(' ')));
  const leafs = new Set(chains);
  const [chain = ''] = leafs;
  const [leaf, issuer] = certificatesIn(chain);
  const roots = bundles.flatMap(certificatesIn);
  const inUse = new Set(certs.certificates.flatMap(({ ca_cert, cert_chain }) => [...ca_cert, ...cert_chain].map(serialOf)));
  // Of a bundle Envoy lists one certificate.
  const isUnused = (some: readonly X509Certificate[]): boolean =>
    some.length > 0 && !some.some(({ serialNumber }) => inUse.has(bare(serialNumber)));
  const contradiction =
    sets.size > 1 || leafs.size > 1
      ? 'Envoy has loaded two versions of one secret'
      : isUnused(leaf ? [leaf] : []) || isUnused(roots)
        ? 'Envoy has loaded certificates and makes no connection with them'
        : undefined;
  const identity = /^URI:(spiffe:\/\/[!-~]+)$/.exec(leaf?.subjectAltName ?? '')?.[1];
  return {
    ...(identity === undefined ? {} : { identity }),
    loaded: {
      roots: [...new Set(roots.map(fingerprintOf))].slice(0, MOST_ROOTS),
      ...(leaf && issuer
        ? { leaf: { fingerprint: fingerprintOf(leaf), issuer: fingerprintOf(issuer), notAfter: Date.parse(leaf.validTo) } }
        : {}),
    },
    updates: updatesOf(stats),
    ...(contradiction === undefined ? {} : { contradiction }),
  };
}

/** Updates that Envoy refused and has taken none after, by the secret's name: how many it had taken before. It says so only in counts. */
export type Refused = Readonly<Record<string, number>>;

/** `before`: what was seen of it last; an Envoy that was started anew counts from 0. */
export function refusedStill(refused: Refused, before: SeenEnvoy | undefined, { updates }: SeenEnvoy): Refused {
  return Object.fromEntries(
    Object.entries(updates).flatMap(([name, { taken, refused: count }]) => {
      const earlier = before?.updates[name];
      if (earlier && count > earlier.refused && taken <= earlier.taken) return [[name, taken]];
      const standing = refused[name];
      return standing === undefined || taken !== standing ? [] : [[name, standing]];
    }),
  );
}

/**
 * What keeps a proxy from being believed; `undefined`: nothing. A secret that Envoy refused is in its dump all the same, while connections are made
 * with the one before: so what is loaded counts only without trouble.
 */
export function troubleOf({ loaded, contradiction }: SeenEnvoy, refused: Refused, held: HeldLeaf | undefined): string | undefined {
  if (contradiction !== undefined) return `${contradiction}.`;
  const [name] = Object.keys(refused);
  if (name !== undefined) return `Envoy refused an update of its ${name}; its log says why.`;
  if (held && loaded.leaf && loaded.leaf.fingerprint !== held.fingerprint) {
    return 'Envoy presents another leaf than the newest one that it was given.';
  }
  return undefined;
}

function updatesOf({ stats }: z.infer<typeof statsSchema>): SeenEnvoy['updates'] {
  const count = (name: string, what: string): number => {
    const value = stats.find((stat) => stat.name === `sds.${name}.${what}`)?.value;
    return typeof value === 'number' ? value : 0;
  };
  const of = (name: string) => ({ taken: count(name, 'update_success'), refused: count(name, 'update_rejected') });
  return { default: of('default'), bundle: of('bundle') };
}

/** As proto JSON has it: bytes are base64. */
const pemOf = (source: z.infer<typeof sourceSchema> | undefined): string =>
  source?.inline_string ?? Buffer.from(source?.inline_bytes ?? '', 'base64').toString('latin1');

const serialOf = ({ serial_number }: z.infer<typeof serial>): string => bare(serial_number);
const bare = (hex: string): string => hex.toLowerCase().replace(/^0+(?=.)/, '');

async function ask<Answer>(admin: string, path: string, schema: z.ZodType<Answer>): Promise<Answer> {
  const options = { method: 'GET', agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) };
  const answer = await exchange(new URL(path, admin), options).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED') throw new EnvoyAbsent(`No Envoy answers at ${admin}`);
    throw new Error(`Envoy's admin at ${admin} gives no answer (${explained(error, TIMEOUT_MS)})`, { cause: error });
  });
  const read = answer.status === 200 ? schema.safeParse(parsed(answer.body)) : undefined;
  if (read?.success) return read.data;
  throw new Error(`${admin}${path.replace(/\?.*/, '')} answers ${answer.status} and not as Envoy does`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
