/** What a TLS server shows before it knows who asks: by real servers of Node, and by those that are none. */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { helloIn, tlsHello } from '../../src/adapters/tls-hello.ts';

const folder = mkdtempSync(join(tmpdir(), 'meshwright-hello-'));
afterAll(() => rmSync(folder, { recursive: true }));

function selfSigned(name: string): { readonly cert: string; readonly key: string } {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  execFileSync('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, '-subj', `/CN=${name}`, '-days', '1'], {
    stdio: 'ignore',
  });
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

const [own, one, other] = [selfSigned('own'), selfSigned('one'), selfSigned('other')];

describe('saying hello to a server', () => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await once(server.close(), 'close');
  });
  const listening = async (server: Server): Promise<number> => {
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const at = server.address();
    return typeof at === 'object' && at ? at.port : 0;
  };
  const tlsServer = (options: TlsOptions) => {
    const server = createTlsServer({ ...own, ...options });
    server.on('tlsClientError', () => {});
    return listening(server);
  };

  it('shows its chain, and names whom it believes callers under', async () => {
    const port = await tlsServer({ cert: own.cert + one.cert, requestCert: true, ca: [one.cert, other.cert] });
    const { chain, believes } = await tlsHello('127.0.0.1', port);
    expect(chain.map((der) => new X509Certificate(der).subject)).toEqual(['CN=own', 'CN=one']);
    const names = believes?.map((name) => Buffer.from(name).toString('latin1'));
    expect(names).toEqual([expect.stringMatching(/one$/), expect.stringMatching(/other$/)]);
  });

  it('is told apart from one that asks callers for nothing', async () => {
    const { chain, believes } = await tlsHello('127.0.0.1', await tlsServer({}));
    expect(chain).toHaveLength(1);
    expect(believes).toBeUndefined();
  });

  it.each([
    ['speaks TLS 1.3 alone', () => tlsServer({ minVersion: 'TLSv1.3' }), /refused the handshake \(alert 70\)/],
    [
      'speaks something else',
      () => listening(createServer((socket) => socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n'))),
      /does not speak TLS/,
    ],
    ['hangs up', () => listening(createServer((socket) => socket.destroy())), /hung up|ECONNRESET/],
    ['never stops', () => listening(createServer((socket) => floodOf(socket))), /says more than/],
  ])('fails in words where it %s', async (_what, start, words) => {
    await expect(tlsHello('127.0.0.1', await start())).rejects.toThrow(words);
  });

  it('does not wait for one that says nothing', async () => {
    const port = await listening(createServer((socket) => void socket.on('data', () => {}).on('error', () => {})));
    await expect(tlsHello('127.0.0.1', port, 50)).rejects.toThrow('in 50 ms');
  });

  it('waits for what is still to come, and takes no length at its word', () => {
    const record = (body: Buffer) => Buffer.concat([Buffer.from([22, 3, 3, body.length >> 8, body.length & 255]), body]);
    const whole = record(Buffer.from([11, 0, 0, 6, 0, 0, 3, 0, 0, 0]));
    expect(helloIn(whole.subarray(0, 9))).toBeUndefined();
    expect(helloIn(whole)).toBeUndefined();
    expect(() => helloIn(record(Buffer.from([11, 0, 0, 3, 0, 0, 9])))).toThrow('more than there is');
    expect(() => helloIn(record(Buffer.from([14, 0, 0, 0])))).toThrow('no certificate');
  });
});

/** One record after the other, of a message that is never whole. */
function floodOf(socket: Socket): void {
  const record = Buffer.alloc(16_389);
  record.set([22, 3, 3, 0x40, 0]);
  record.set([2, 0xff, 0xff, 0xff], 5);
  socket.on('error', () => {});
  for (let records = 0; records < 20; records += 1) socket.write(record);
}
