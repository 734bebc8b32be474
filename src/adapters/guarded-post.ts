/**
 * A POST to an address that somebody else chose: over https, to hosts of a list, at public addresses alone. A name is resolved once and what was
 * looked at is what is connected to, so that no answer of a name server can point into a network that only this app can reach
 * (https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html). No redirect is followed.
 */
import { lookup } from 'node:dns/promises';
import http from 'node:http';
import https from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';

export interface Resolved {
  readonly address: string;
  readonly family: number;
}

export interface Guard {
  /** Names of hosts; one that begins with a dot stands for all below it. */
  readonly hosts: readonly string[];
  /** For tests on one machine: its own addresses, over plain HTTP too. */
  readonly loopback: boolean;
  /** All addresses of a name; DNS. */
  readonly resolve?: (host: string) => Promise<readonly Resolved[]>;
}

export interface Posted {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** Its first 8 KiB. */
  readonly body: string;
}

/** The name leads to an address where nothing is sent to. */
export class ForbiddenAddress extends Error {
  override name = 'ForbiddenAddress';
}

const READ_BYTES = 8 * 1024;
const LOOPBACK_HOSTS = ['127.0.0.1', '[::1]', 'localhost'];

/** IANA's registries of special-purpose addresses, multicast, and Azure's own address of the host (168.63.129.16). */
const notPublic = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  notPublic.addSubnet(net, prefix, 'ipv4');
/** Of IPv6 only what is given out as global unicast, without what stands for addresses of version 4, for tunnels and for documentation. */
const global = new BlockList();
global.addSubnet('2000::', 3, 'ipv6');
for (const [net, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  notPublic.addSubnet(net, prefix, 'ipv6');

export function isPublic(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !notPublic.check(address, 'ipv4');
  return family === 6 && global.check(address, 'ipv6') && !notPublic.check(address, 'ipv6');
}

/** `undefined`: it is no address that may be asked. */
export function guarded(address: string, { hosts, loopback }: Guard): URL | undefined {
  const url = URL.parse(address);
  if (url?.username !== '' || url.password !== '') return undefined;
  if (loopback && LOOPBACK_HOSTS.includes(url.hostname) && /^https?:$/.test(url.protocol)) return url;
  const host = url.hostname.toLowerCase();
  const isListed = hosts.some((each) => (each.startsWith('.') ? host.endsWith(each) && host.length > each.length : host === each));
  return url.protocol === 'https:' && (url.port === '' || url.port === '443') && isListed ? url : undefined;
}

/** @throws ForbiddenAddress; or what keeps the connection from being made, the answer from coming, or that there is none in time. */
export function guardedPost(url: URL, body: string, guard: Guard, timeoutMs: number): Promise<Posted> {
  const { request } = url.protocol === 'http:' ? http : https;
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    // A connection of its own: one that is kept was looked at for somebody else.
    const call = request(url, { method: 'POST', headers, signal, agent: false, lookup: lookingAt(guard) }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const done = (): void => {
        const text = Buffer.concat(chunks).subarray(0, READ_BYTES).toString('utf8');
        resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body: text });
      };
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes < READ_BYTES) return;
        done();
        call.destroy();
      });
      response.on('end', done);
      response.on('error', reject);
    });
    call.on('error', (error) => reject(signal.aborted ? signal.reason : error));
    call.end(body);
  });
}

/** Node connects to what this answers, and asks it for every name; not for an address that is written out, which is in no list. */
function lookingAt({ loopback, resolve = everyAddress }: Guard): LookupFunction {
  return (host, options, answer) => {
    const take = (found: readonly Resolved[]): void => {
      const [first] = found;
      const own = loopback && LOOPBACK_HOSTS.includes(host);
      if (!first || !(own || found.every(({ address }) => isPublic(address)))) {
        answer(new ForbiddenAddress('The name leads to no public address.'), '', 4);
      } else if (options.all) answer(null, [...found]);
      else answer(null, first.address, first.family);
    };
    resolve(host).then(take, (error: unknown) => answer(error instanceof Error ? error : new Error(String(error)), '', 4));
  };
}

const everyAddress = (host: string): Promise<readonly Resolved[]> => lookup(host, { all: true });
