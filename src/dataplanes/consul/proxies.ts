/**
 * What Consul's proxies have loaded, asked of themselves: Consul tells nobody. Each shows its leaf and names whom it believes in to
 * whoever begins a TLS handshake at its public port. What does not say hello is not known to be ready for anything.
 */
import { X509Certificate } from 'node:crypto';
import type { DataPlaneTrust } from '../../trust/data-plane-trust.ts';
import type { Hello, ListedProxy, SayHello } from './authority.ts';
import { type Anchor, isNamed, signedBy } from './bundle.ts';

type Member = Awaited<ReturnType<DataPlaneTrust['look']>>[number];

const AT_A_TIME = 32;
/** With the last ones' time to answer, less than an effect's claim. */
const ASKING_MS = 6_000;
/** Its port shows the leaf that it presents to others. Gateways show those of the world outside, or none. */
const SHOWS_ITS_LEAF = 'connect-proxy';

export type Heard = { readonly proxy: ListedProxy } & ({ readonly hello: Hello } | { readonly trouble: string });

/** Whoever has not been asked when the time for it is over is not known of. `now`: epoch ms. */
export async function helloOfAll(proxies: readonly ListedProxy[], sayHello: SayHello, now: () => number): Promise<readonly Heard[]> {
  const heard: Heard[] = [];
  const until = now() + ASKING_MS;
  for (let at = 0; at < proxies.length; at += AT_A_TIME) {
    const some = proxies.slice(at, at + AT_A_TIME);
    if (now() < until) heard.push(...(await Promise.all(some.map((proxy) => helloOf(proxy, sayHello)))));
    else heard.push(...some.map((proxy) => ({ proxy, trouble: 'there was no time to ask it, so many others did not answer' })));
  }
  return heard;
}

async function helloOf(proxy: ListedProxy, sayHello: SayHello): Promise<Heard> {
  const { address, port, kind } = proxy;
  if (kind !== SHOWS_ITS_LEAF) return { proxy, trouble: `nobody can see what a ${kind || 'service without a proxy'} has loaded` };
  try {
    return { proxy, hello: await sayHello(address, port) };
  } catch (error) {
    return { proxy, trouble: error instanceof Error ? error.message : String(error) };
  }
}

/** By name: TLS does not tell more, and issuers and roots of this mesh are named after their keys. */
export const believesIn = ({ believes }: Hello, anchor: Anchor): boolean => believes?.some((name) => isNamed(anchor, name)) ?? false;

/** As it was heard at `now`; of one that was not, nothing is known, and it counts for as long as Consul lists it. */
export function memberOf(heard: Heard, dataPlane: string, anchors: readonly Anchor[], now: number): Member {
  const { proxy } = heard;
  const who = { id: `${dataPlane}/${proxy.id}`, dataPlane, kind: 'proxy' } as const;
  if ('trouble' in heard) return { ...who, seenAt: 0, trusts: [], mayPresentUntil: now, trouble: heard.trouble };
  const { hello } = heard;
  const seen = {
    ...who,
    seenAt: now,
    mayPresentUntil: now,
    trusts: anchors.filter((each) => believesIn(hello, each)).map((each) => each.fingerprint),
  };
  const leaf = leafOf(hello);
  if (!leaf) return { ...seen, trouble: 'it shows no certificate that can be read' };
  const signer = signedBy(leaf, anchors);
  const [, identity] = /(?:^|, )URI:(spiffe:[^,]+)/.exec(leaf.subjectAltName ?? '') ?? [];
  const named = { ...seen, ...(identity === undefined ? {} : { identity }) };
  if (!signer) return { ...named, trouble: 'its leaf is signed by nobody whom Consul lists' };
  const presenting = { ...named, presents: { issuer: signer.fingerprint, notAfter: leaf.validToDate.getTime() } };
  return hello.believes === undefined ? { ...presenting, trouble: 'it asks callers for no certificate' } : presenting;
}

function leafOf({ chain: [der] }: Hello): X509Certificate | undefined {
  try {
    return der && new X509Certificate(der);
  } catch {
    return undefined;
  }
}
