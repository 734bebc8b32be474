/** Issuers of tokens on this machine, over TLS and by name, and the file of authorities by which an Envoy knows them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tokens } from '../../../src/plan/plan.ts';
import { type LocalIssuer, startIssuer } from '../../adapters/local-issuer.ts';
import { createAuthority } from './identities.ts';

export interface Issuers {
  /** Both at `localhost`, with certificates that `authorities` vouches for. */
  readonly ours: LocalIssuer;
  readonly others: LocalIssuer;
  /** A file. */
  readonly authorities: string;
  /** One more, whose certificate is for this name, or that nobody in `authorities` vouches for. */
  impostor(certificate: { readonly host: string } | 'by nobody known'): Promise<LocalIssuer>;
  stop(): Promise<void>;
}

export async function startIssuers(): Promise<Issuers> {
  const folder = await mkdtemp(join(tmpdir(), 'meshwright-issuers-'));
  const authority = await createAuthority('the web');
  const authorities = join(folder, 'authorities.pem');
  await writeFile(authorities, authority.root);
  const started: LocalIssuer[] = [];
  const start = async (leaf: { readonly certificate: string; readonly key: string }): Promise<LocalIssuer> => {
    const issuer = await startIssuer(Date.now, '', leaf);
    started.push(issuer);
    return issuer;
  };
  return {
    ours: await start(await authority.issueServing('localhost')),
    others: await start(await authority.issueServing('localhost')),
    authorities,
    async impostor(certificate) {
      const stranger = await createAuthority('nobody');
      return start(
        certificate === 'by nobody known' ? await stranger.issueServing('localhost') : await authority.issueServing(certificate.host),
      );
    },
    async stop() {
      await Promise.all(started.map((issuer) => issuer.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What a service asks for that takes tokens of this issuer. */
export const tokensOf = ({ url }: LocalIssuer, audience: string, roles?: readonly string[]): Tokens => ({
  issuer: url,
  audience,
  jwks: `${url}/keys`,
  ...(roles === undefined ? {} : { roles: [...roles] }),
});

export const bearing = (token: string): { readonly headers: { readonly authorization: string } } => ({
  headers: { authorization: `Bearer ${token}` },
});
