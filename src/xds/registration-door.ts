/**
 * The HTTP door of the xds server: endpoints come and go through it under leases, agents say what the proxies beside them have
 * loaded, and the functions poke it when a model moved. Both need the nodes' own token; a poke only makes it look.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { showsToken } from '../api/authenticate.ts';
import { type HttpAnswer, json, problem } from '../api/problem.ts';
import { refuseStranger } from '../api/stranger.ts';
import { fingerprintSchema } from '../trust/certificates.ts';
import type { IdentityReport, Told } from './identities.ts';
import { LONGEST_LEASE_MS } from './mesh-watch.ts';
import type { RegistryCommand } from './registry.ts';

const MAX_BYTES = 1024 * 1024;
const name = z.string().min(1).max(253);
const address = z.union([z.ipv4(), z.ipv6()]);
const port = z.int().min(1).max(65_535);

/** What whoever runs workloads sends: all of it every third of a lease, so that a lost one does no harm. */
const registrationSchema = z.object({
  mesh: name,
  dataPlane: name,
  leaseMs: z.int().min(1_000).max(LONGEST_LEASE_MS),
  endpoints: z
    .array(
      z.object({
        service: name,
        version: name,
        address,
        port,
        ready: z.boolean().default(true),
        /** Where it runs, as `failover` names it. */
        region: z.string().min(1).max(64).exactOptional(),
        /** The Envoy before it has an identity. */
        mtls: z.boolean().exactOptional(),
      }),
    )
    .max(1_000),
  /** Addresses that are no more. */
  gone: z.array(z.object({ address, port })).max(1_000).default([]),
});

/** Epoch ms: the end of the year 9999, beyond which no certificate can say that it ends (RFC 5280, 4.1.2.5). */
const LATEST_END = 253_402_300_799_999;

/** What an agent says, every few seconds; a bundle holds a handful of roots. */
const identitySchema = z.object({
  mesh: name,
  dataPlane: name,
  node: name,
  /** SPIFFE id. */
  identity: z
    .string()
    .max(2_048)
    .regex(/^spiffe:\/\/[^/]+\//, { error: 'use a SPIFFE id' })
    .exactOptional(),
  loaded: z.object({
    roots: z.array(fingerprintSchema).max(32),
    leaf: z.object({ fingerprint: fingerprintSchema, issuer: fingerprintSchema, notAfter: z.int().min(0).max(LATEST_END) }).exactOptional(),
  }),
  trouble: z.string().min(1).max(1_000).exactOptional(),
});

export interface RegistrationDoorOptions {
  readonly host: string;
  readonly port: number;
  readonly nodeToken: string;
  readonly register: (mesh: string, dataPlane: string, commands: readonly RegistryCommand[]) => Promise<void>;
  /** `undefined`: more nodes report than are taken. */
  readonly identify: (mesh: string, dataPlane: string, report: IdentityReport) => Promise<Told | undefined>;
  readonly poke: (mesh: string) => void;
  readonly health: () => object;
}

/** Resolves when it listens. */
export async function openRegistrationDoor(options: RegistrationDoorOptions): Promise<Server> {
  const server = createServer((request, response) => {
    answer(options, request).then(
      (given) => send(response, given),
      () => send(response, problem(503, 'TemporaryFault', 'The store did not take this; send the same again.')),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return server;
}

async function answer(options: RegistrationDoorOptions, request: IncomingMessage): Promise<HttpAnswer> {
  const stranger = refuseStranger(request);
  if (stranger) return problem(403, stranger.reason, stranger.message);
  const path = pathOf(request.url ?? '');
  if (!path) return problem(400, 'MalformedTarget', 'Ask for a path that begins with a slash, percent-encoded.');
  const [, first, mesh] = path;
  if (request.method === 'GET' && first === 'health') return json(200, options.health());
  if (request.method !== 'POST') return problem(404, 'NotFound', ELSEWHERE);
  if (first === 'poke' && mesh) {
    options.poke(mesh);
    return json(202, {});
  }
  if (first !== 'endpoints' && first !== 'identities') return problem(404, 'NotFound', ELSEWHERE);
  if (!showsToken(request.headers.authorization, options.nodeToken))
    return problem(401, 'NotAuthenticated', 'Send the nodes\' token as "Authorization: Bearer <token>".');
  const text = await bodyOf(request);
  if (text === undefined) return problem(413, 'TooLarge', 'Send no more than 1 MiB at once.');
  return first === 'endpoints' ? register(options, parse(text)) : identify(options, parse(text));
}

const ELSEWHERE = 'POST to /endpoints, /identities or /poke/<mesh>, or GET /health.';

async function register(options: RegistrationDoorOptions, body: unknown): Promise<HttpAnswer> {
  const registration = registrationSchema.safeParse(body);
  if (!registration.success) return problem(400, 'NotARegistration', z.prettifyError(registration.error));
  const { dataPlane, leaseMs, endpoints, gone } = registration.data;
  await options.register(registration.data.mesh, dataPlane, [
    ...gone.map((each) => ({ kind: 'deregister', address: each }) as const),
    ...endpoints.map(({ ready, ...endpoint }) => ({ kind: 'register', endpoint, leaseMs, ready }) as const),
  ]);
  return json(200, { registered: endpoints.length });
}

async function identify(options: RegistrationDoorOptions, body: unknown): Promise<HttpAnswer> {
  const report = identitySchema.safeParse(body);
  if (!report.success) return problem(400, 'NotAReport', z.prettifyError(report.error));
  const { mesh, dataPlane, ...loaded } = report.data;
  const told = await options.identify(mesh, dataPlane, loaded);
  return told ? json(200, told) : problem(429, 'TooManyNodes', 'More nodes report than are kept here; start another xds server for some.');
}

/** Its parts, decoded; the first is empty. */
function pathOf(target: string): readonly string[] | undefined {
  if (!target.startsWith('/')) return undefined;
  try {
    return target
      .replace(/[?#].*$/s, '')
      .split('/')
      .map((part) => decodeURIComponent(part));
  } catch {
    return undefined;
  }
}

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    // Read to its end all the same: whoever is cut off while sending loses the answer.
    if (bytes <= MAX_BYTES) chunks.push(buffer);
  }
  return bytes > MAX_BYTES ? undefined : Buffer.concat(chunks).toString();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function send(response: ServerResponse, { status, headers, body }: HttpAnswer): void {
  response.writeHead(status, headers).end(body);
}
