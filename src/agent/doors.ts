/**
 * The two that an agent talks to: meshwright's functions, which issue leafs, and the xds server, which takes its reports. Both are known by what
 * the machine trusts and by tokens that hang on no root of the mesh. No redirect is followed: a token goes to whom it is for.
 */
import { z } from 'zod';
import { exchange, explained } from '../adapters/http-exchange.ts';
import type { AgentSettings } from './settings.ts';

const TIMEOUT_MS = 15_000;

const givenSchema = z.object({
  chain: z.string(),
  roots: z.array(z.string()).min(1),
  notAfter: z.number(),
  lifeMs: z.number().positive(),
  signer: z.string(),
});
export type Given = Readonly<z.infer<typeof givenSchema>>;
const problemSchema = z.object({ reason: z.string(), detail: z.string() });

export type ShownToken =
  | { readonly kind: 'kubernetes' | 'entra' | 'renewal'; readonly value: string }
  | { readonly kind: 'join'; readonly value: string; readonly renewal: string };

export interface Refusal {
  readonly kind: 'refused';
  readonly reason: string;
  readonly message: string;
}

/** No answer that counts: it may be asked again. The message holds no token. */
export class NoAnswer extends Error {
  override name = 'NoAnswer';
}

export async function askForLeaf(
  { url, mesh, dataPlane, node }: Pick<AgentSettings, 'url' | 'mesh' | 'dataPlane' | 'node'>,
  csr: string,
  token: ShownToken,
): Promise<({ readonly kind: 'issued' } & Given) | Refusal> {
  const answer = await post(new URL(`meshes/${encodeURIComponent(mesh)}/certificates`, withSlash(url)), { csr, dataPlane, node, token });
  const given = answer.status === 200 ? givenSchema.safeParse(answer.content) : undefined;
  if (given?.success) return { kind: 'issued', ...given.data };
  const problem = problemSchema.safeParse(answer.content);
  if (answer.status >= 400 && answer.status < 500 && problem.success) {
    return { kind: 'refused', reason: problem.data.reason, message: problem.data.detail };
  }
  throw new NoAnswer(`${url} answers ${answer.status}${problem.success ? `: ${problem.data.detail}` : ' and not as meshwright does'}`);
}

/** What a proxy has loaded, by fingerprint (SHA-256 of the DER, hex); times are epoch ms. */
export interface Loaded {
  readonly roots: readonly string[];
  readonly leaf?: { readonly fingerprint: string; readonly issuer: string; readonly notAfter: number };
}

export interface LoadedReport {
  readonly mesh: string;
  readonly dataPlane: string;
  readonly node: string;
  /** SPIFFE ID. */
  readonly identity?: string;
  readonly loaded: Loaded;
  readonly trouble?: string;
}

const toldSchema = z.object({
  revision: z.number(),
  /** Fingerprint of the issuer that signs now; absent while there is none. */
  signer: z.string().nullish(),
  renewWithinMs: z.number().nonnegative(),
  reportEveryMs: z.number().positive(),
});
export type Told = Readonly<z.infer<typeof toldSchema>>;

export async function reportLoaded(xds: string, nodeToken: string, report: LoadedReport): Promise<Told> {
  const { status, content } = await post(new URL('identities', withSlash(xds)), report, nodeToken);
  const told = status === 200 ? toldSchema.safeParse(content) : undefined;
  if (told?.success) return told.data;
  const problem = problemSchema.safeParse(content);
  throw new NoAnswer(`${xds} answers ${status}${problem.success ? `: ${problem.data.detail}` : ' and not as the xds server does'}`);
}

async function post(url: URL, body: object, bearer?: string): Promise<{ readonly status: number; readonly content: unknown }> {
  const headers = { 'content-type': 'application/json', ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }) };
  try {
    // A connection of its own: one that was idle may be closed by the other side while it is taken up.
    const options = { method: 'POST', headers, agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) };
    const answer = await exchange(url, options, JSON.stringify(body));
    return { status: answer.status, content: parsed(answer.body) };
  } catch (error) {
    throw new NoAnswer(`${url.origin} gives no answer (${explained(error, TIMEOUT_MS)})`, { cause: error });
  }
}

const withSlash = (url: string): string => (url.endsWith('/') ? url : `${url}/`);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
