/** What is made of what proxies say of themselves, and of those that say nothing. */
import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { MemoryVault } from '../../../src/adapters/memory-vault.ts';
import type { Hello, ListedProxy } from '../../../src/dataplanes/consul/authority.ts';
import { type Anchor, anchorOf } from '../../../src/dataplanes/consul/bundle.ts';
import { helloOfAll, memberOf } from '../../../src/dataplanes/consul/proxies.ts';
import { delegateIssuer, makeAuthority } from '../../../src/trust/authorities.ts';
import { asked } from '../../trust/authorities-asked.ts';

const NOW = 1_000_000;
const proxy = (id: string, kind = 'connect-proxy'): ListedProxy => ({ id, address: '127.0.0.1', port: 1, kind });

describe('proxies of Consul', () => {
  let root: Anchor;
  let stranger: Anchor;
  let issuer: Anchor;
  beforeAll(async () => {
    const vault = new MemoryVault();
    const made = await makeAuthority(vault, asked('one'));
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
    root = anchorOf(made.certificate);
    issuer = anchorOf((await delegateIssuer(vault, made, { ...asked('one'), publicKey: spki })).certificate);
    stranger = anchorOf((await makeAuthority(new MemoryVault(), asked('two'))).certificate);
  });

  const said = (hello: Hello) => memberOf({ proxy: proxy('n/a'), hello }, 'vms', [root, issuer], NOW);
  /** DER of a subject: SEQUENCE { SET { … commonName … } }, found where the key begins. */
  const nameOf = ({ certificate, key }: Anchor): Uint8Array => {
    const end = certificate.raw.indexOf(Buffer.from(key, 'hex'));
    const common = Buffer.from(certificate.subject.replace('CN=', ''));
    return new Uint8Array(certificate.raw.subarray(end - common.length - 13, end));
  };

  it('trust whom they name, by whole names of a subject and not of an issuer', () => {
    // The issuer's certificate holds its root's name too.
    const { trusts } = said({ chain: [issuer.certificate.raw], believes: [nameOf(issuer)] });
    expect(trusts).toEqual([issuer.fingerprint]);
    expect(said({ chain: [issuer.certificate.raw], believes: [nameOf(root), nameOf(stranger)] }).trusts).toEqual([root.fingerprint]);
    const parts = [new Uint8Array(), nameOf(root).subarray(2), nameOf(root).subarray(4)];
    expect(said({ chain: [issuer.certificate.raw], believes: parts }).trusts).toEqual([]);
  });

  it('present what is signed by whom Consul lists, and are in trouble with anything else', () => {
    const present = said({ chain: [issuer.certificate.raw], believes: [] });
    expect(present).toMatchObject({ id: 'vms/n/a', seenAt: NOW, presents: { issuer: root.fingerprint, notAfter: issuer.notAfter } });
    expect(present.trouble).toBeUndefined();
    expect(said({ chain: [stranger.certificate.raw], believes: [] }).trouble).toContain('nobody whom Consul lists');
    expect(said({ chain: [new Uint8Array([1])], believes: [] }).trouble).toContain('no certificate that can be read');
    expect(said({ chain: [issuer.certificate.raw], believes: undefined }).trouble).toContain('asks callers for no certificate');
  });

  it('that say nothing are known of nothing, and count', async () => {
    const [heard] = await helloOfAll(
      [proxy('n/a')],
      () => Promise.reject(new Error('nobody there')),
      () => NOW,
    );
    expect(heard && memberOf(heard, 'vms', [root], NOW)).toEqual({
      id: 'vms/n/a',
      dataPlane: 'vms',
      kind: 'proxy',
      seenAt: 0,
      trusts: [],
      mayPresentUntil: NOW,
      trouble: 'nobody there',
    });
  });

  it.each(['mesh-gateway', ''])('of the kind %j are not asked: their ports do not show the leaf', async (kind) => {
    const heard = await helloOfAll(
      [proxy('n/g', kind)],
      () => Promise.reject(new Error('It was asked.')),
      () => NOW,
    );
    expect(heard).toEqual([expect.objectContaining({ trouble: expect.stringContaining('nobody can see') })]);
  });

  it('that there was no time for are not known of either', async () => {
    let now = 0;
    const silent = async (): Promise<Hello> => {
      now += 3_000;
      throw new Error('no answer');
    };
    const heard = await helloOfAll(
      Array.from({ length: 100 }, (_, at) => proxy(`n/${at}`)),
      silent,
      () => now,
    );
    expect(heard).toHaveLength(100);
    expect(heard.filter((each) => 'trouble' in each && each.trouble === 'no answer')).toHaveLength(32);
    expect(heard.filter((each) => 'trouble' in each && each.trouble.includes('no time'))).toHaveLength(68);
  });
});
