/** `meshwright envoy bootstrap`: what an Envoy is started with, from the options of a command line. */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { renderBootstrap } from '../dataplanes/envoy/bootstrap.ts';
import { nodeMessage, parseNode } from '../dataplanes/envoy/node-metadata.ts';
import type { EnvoyNode } from '../dataplanes/envoy/resources.ts';
import { Failure } from './failure.ts';
import type { Terminal } from './terminal.ts';

export interface BootstrapAsked {
  readonly node: string;
  readonly mesh: string;
  readonly dataPlane: string;
  readonly xds: string;
  readonly outbound?: string;
  readonly inbound?: string;
  readonly workload?: string;
  readonly gateway?: string;
  readonly gatewayName?: string;
  readonly identity?: string;
  readonly authorities?: string;
  readonly admin?: string;
  readonly tokenFile?: string;
}

export async function printBootstrap(terminal: Terminal, asked: BootstrapAsked): Promise<void> {
  const { node: id, mesh, dataPlane, outbound, identity, authorities, admin, tokenFile } = asked;
  const inbound = inboundOf(asked);
  const gateway = gatewayOf(asked);
  const node: EnvoyNode = {
    id,
    mesh,
    dataPlane,
    ...(outbound === undefined ? {} : { outbound: addressOf('--outbound', outbound) }),
    ...(inbound === undefined ? {} : { inbound }),
    ...(gateway === undefined ? {} : { gateway }),
    ...(identity === undefined ? {} : { identity: { directory: identity } }),
    ...(authorities === undefined ? {} : { authorities }),
  };
  if (outbound === undefined && inbound === undefined && gateway === undefined) {
    throw new Failure(
      'An Envoy that listens nowhere is of no use: give --outbound, --inbound with --workload, or --gateway with --gateway-name.',
      { exitCode: 2 },
    );
  }
  // The xds server reads it so: what it would refuse is refused before an Envoy is started with it.
  const read = parseNode(nodeMessage(node));
  if (!read.ok) throw new Failure(`The xds server would not understand this node: ${read.message}`, { exitCode: 2 });
  const token = tokenFile === undefined ? undefined : await tokenOf(tokenFile);
  const bootstrap = renderBootstrap({
    node,
    xds: hostOf('--xds', asked.xds),
    ...(admin === undefined ? {} : { admin: addressOf('--admin', admin) }),
    ...(token === undefined ? {} : { token }),
  });
  terminal.out(JSON.stringify(bootstrap, null, 2));
}

function inboundOf({ inbound, workload }: BootstrapAsked): EnvoyNode['inbound'] | undefined {
  if (inbound === undefined && workload === undefined) return undefined;
  const named = /^([^/]+)\/([^/]+):(\d{1,5})$/.exec(workload ?? '');
  const [, service, version, workloadPort] = named ?? [];
  if (inbound === undefined || service === undefined || version === undefined) {
    throw new Failure('Give --inbound <address:port> together with --workload <service>/<version>:<port>, such as catalog/v1:8080.', {
      exitCode: 2,
    });
  }
  return { service, version, workloadPort: Number(workloadPort), ...addressOf('--inbound', inbound) };
}

function gatewayOf({ gateway, gatewayName }: BootstrapAsked): EnvoyNode['gateway'] | undefined {
  if (gateway === undefined && gatewayName === undefined) return undefined;
  const [, namespace, name] = /^([^/]+)\/([^/]+)$/.exec(gatewayName ?? '') ?? [];
  if (gateway === undefined || namespace === undefined || name === undefined) {
    throw new Failure('Give --gateway <address:port> together with --gateway-name <namespace>/<name>, such as edge/public.', {
      exitCode: 2,
    });
  }
  return { name, namespace, ...addressOf('--gateway', gateway) };
}

/** Envoy binds addresses; it resolves no names for them. */
function addressOf(option: string, text: string): { address: string; port: number } {
  const host = hostOf(option, text);
  if (isIP(host.address) === 0) throw new Failure(`${option} needs an IP address and a port, such as 127.0.0.1:15001.`, { exitCode: 2 });
  return host;
}

/** `host:port`, an IPv6 address in brackets. */
function hostOf(option: string, text: string): { address: string; port: number } {
  const [, bracketed, bare, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = bracketed ?? bare;
  const port = Number(digits);
  if (address === undefined || port < 1 || port > 65_535) {
    throw new Failure(`${option} needs an address and a port, such as 127.0.0.1:18000.`, { exitCode: 2 });
  }
  return { address, port };
}

async function tokenOf(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new Failure(`The token file ${file} cannot be read.`, { exitCode: 2 });
  });
  const token = text.trim();
  if (token === '' || /\s/.test(token)) throw new Failure(`The token file ${file} must hold one token.`, { exitCode: 2 });
  return token;
}
