/** What Linkerd's proxies and identity are asked and how their answers are read, over real TLS and gRPC on the loopback. The rest is on the real identity: test/conformance/linkerd-rotation.test.ts. */
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import { connect, createServer as createTcpServer, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { afterEach, describe, expect, it } from 'vitest';
import { linkerdIdentity } from '../../src/adapters/linkerd-identity.ts';
import { MemoryVault } from '../../src/adapters/memory-vault.ts';
import { ClusterUnavailable, type Refused } from '../../src/dataplanes/kubernetes/cluster.ts';
import { makeAuthority } from '../../src/trust/authorities.ts';
import { x509 } from '../../src/trust/x509/library.ts';
import { leafCertificate, leafSigner } from '../../src/trust/x509/profiles.ts';
import { certificatesSpec, HOUR } from '../trust/samples.ts';

const NAME = 'web.shop.serviceaccount.identity.linkerd.cluster.local';
const IDENTITY = { namespace: 'linkerd', pod: 'linkerd-identity-1', port: 8080, identities: 'identity.linkerd.cluster.local' };
const WEB = { namespace: 'shop', pod: 'web-1', port: 4191 };
const FORBIDDEN: Refused = { kind: 'refused', status: 403, message: 'Grant it there.' };

const closing: (() => Promise<unknown>)[] = [];
afterEach(() => Promise.all(closing.splice(0).map((close) => close())));

/** What is behind every pod's port. */
async function behind(server: Server | http2.Http2Server, { timeoutMs = 10_000 } = {}) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  return linkerdIdentity(
    {
      token: async (_account, audience) => ({ kind: 'token', token: `for ${audience}` }),
      stream: async () => {
        const stream = connect(port, '127.0.0.1');
        await once(stream, 'connect');
        return { kind: 'open', stream };
      },
    },
    timeoutMs,
  );
}

describe('a Linkerd proxy', () => {
  it('is asked by its own name, and shows its leaf and what is above it, whoever is believed', async () => {
    const vault = new MemoryVault();
    const now = Date.now();
    const authority = await makeAuthority(vault, { spec: certificatesSpec(), trustDomain: 'shop.example', now, wish: 'a' });
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const profile = {
      spiffeId: 'spiffe://shop.example/ns/shop/sa/web',
      publicKey: new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })),
      notBefore: now,
      notAfter: now + HOUR,
    };
    const leaf = await leafCertificate(vault, leafSigner(authority), profile, new Uint8Array(16).fill(7));
    const asked: string[] = [];
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
    const options = { cert: leaf.chain, key, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.3' } as const;
    const hearing = (name: string, go: (error: null) => void) => {
      asked.push(name);
      go(null);
    };
    const proxy = await behind(createTlsServer({ ...options, SNICallback: hearing }));
    const shown = await proxy.shown(WEB, NAME);
    const chain = shown.kind === 'shown' ? shown.chain.map((der) => new x509.X509Certificate(der).toString('pem').trim()) : [];
    expect(chain).toEqual([leaf.certificate.trim(), authority.issuer.certificate.trim()]);
    expect(asked).toEqual([NAME]);
  });

  it('that hangs up, or says nothing, could not be asked', async () => {
    const rude = await behind(createTcpServer((socket) => socket.destroy()));
    await expect(rude.shown(WEB, NAME)).rejects.toThrow(ClusterUnavailable);
    const mute = await behind(
      createTcpServer((socket) => socket.on('error', () => socket.destroy()).resume()),
      { timeoutMs: 50 },
    );
    await expect(mute.shown(WEB, NAME)).rejects.toThrow(/^shop\/web-1 could not be asked for its leaf/);
  });

  it('that may not be asked is refused', async () => {
    const identity = linkerdIdentity({ token: async () => FORBIDDEN, stream: async () => FORBIDDEN });
    expect(await identity.shown(WEB, NAME)).toEqual(FORBIDDEN);
    expect(await identity.sample(IDENTITY)).toEqual(FORBIDDEN);
  });
});

describe('identity', () => {
  /** One that answers so. */
  function answering(asked: Buffer[], status: number, body: Uint8Array): http2.Http2Server {
    const server = http2.createServer();
    server.on('stream', (stream, headers) => {
      const chunks: Buffer[] = [];
      stream
        .on('data', (chunk: Buffer) => chunks.push(chunk))
        .on('end', () => {
          asked.push(Buffer.from(String(headers[':path'])), Buffer.concat(chunks).subarray(5));
          const frame = Buffer.alloc(5);
          frame.writeUInt32BE(body.length, 1);
          stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
          stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(status), 'grpc-message': 'not%20you' }));
          stream.end(Buffer.concat([frame, body]));
        });
    });
    return server;
  }

  it('is asked for a leaf for the account `default` by a token that is meant for it, and what it gives is the leaf and what is above it', async () => {
    const asked: Buffer[] = [];
    const answer = new BinaryWriter().tag(2, WireType.LengthDelimited).bytes(Buffer.from('above'));
    answer.tag(1, WireType.LengthDelimited).bytes(Buffer.from('leaf'));
    const identity = await behind(answering(asked, 0, answer.finish()));
    const given = await identity.sample(IDENTITY);
    expect(given.kind === 'shown' ? given.chain.map((der) => Buffer.from(der).toString()) : given).toEqual(['leaf', 'above']);
    const [path, request = Buffer.alloc(0)] = asked;
    expect(path?.toString()).toBe('/io.linkerd.proxy.identity.Identity/Certify');
    const reader = new BinaryReader(request);
    const fields: Uint8Array[] = [];
    while (reader.pos < reader.len) fields[reader.tag()[0]] = reader.bytes();
    const name = 'default.linkerd.serviceaccount.identity.linkerd.cluster.local';
    expect(fields.slice(1, 3).map((field) => Buffer.from(field).toString())).toEqual([name, 'for identity.l5d.io']);
    const csr = new x509.Pkcs10CertificateRequest(fields[3] ?? new Uint8Array());
    expect(await csr.verify()).toBe(true);
    expect(createPublicKey(csr.publicKey.toString('pem')).asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
    const names = csr.getExtension('2.5.29.17');
    expect(names instanceof x509.SubjectAlternativeNameExtension && names.names.toJSON()).toEqual([{ type: 'dns', value: name }]);
  });

  it('that gives none is told of in its own words', async () => {
    const identity = await behind(answering([], 9, new Uint8Array()));
    await expect(identity.sample(IDENTITY)).rejects.toThrow(
      /linkerd\/linkerd-identity-1 could not be asked for a leaf: .*gRPC status 9\): not you/,
    );
  });

  it('that answers without a leaf gave none', async () => {
    const identity = await behind(answering([], 0, new Uint8Array()));
    await expect(identity.sample(IDENTITY)).rejects.toThrow(/the answer has no leaf/);
  });
});
