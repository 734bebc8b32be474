/**
 * A network of its own for servers that bind every interface: namespaces that only they see, joined by a bridge, with nothing of the
 * machine in them. Made with `unshare -rn`, so that it takes no root where user namespaces are allowed. Linux only.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from '../real-envoy.ts';
import { LOOPBACK, type Running, type ServerProcess, type Started, startingTogether, startServer } from './process.ts';
import { relay, type Spot, written } from './relay.ts';

const run = promisify(execFile);

/** One namespace: an address that the others reach, and a loopback of its own. */
export interface Pod {
  readonly address: string;
  /** What to execute so that `command` runs inside. */
  inside(command: string, argv: readonly string[]): { readonly command: string; readonly arguments: readonly string[] };
  /** A port of the test's 127.0.0.1 that leads to `port` of `address` inside, 127.0.0.1 unless said. */
  reach(port: number, address?: string): Promise<number>;
  /** 127.0.0.1:`port` inside leads to `outside` on the test's 127.0.0.1. */
  expose(port: number, outside: number): Promise<void>;
  /** Traffic to `address` from inside stays inside. */
  own(address: string): Promise<void>;
}

export interface PodNetwork extends Running {
  /** Where the control plane runs: 10.88.0.1. */
  readonly node: Pod;
  pod(name: string): Promise<Pod>;
}

/** Why there can be none here; undefined when there can. Throws where `CI=true` and there can be none. */
export async function missingNetworks(): Promise<string | undefined> {
  try {
    await run('unshare', [
      '-rn',
      'sh',
      '-c',
      'ip link add pods type bridge && ip link add pod1 type veth peer name pod2 && nsenter --version',
    ]);
    return undefined;
  } catch (error) {
    const words = error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error);
    const message = `network namespaces are needed (unshare, nsenter, ip, bridges): ${words}`;
    if (process.env.CI === 'true') throw new Error(message);
    return message;
  }
}

export async function startNetwork(): Promise<PodNetwork> {
  return startingTogether(async (started) => {
    const folder = await started.folder('network');
    const node = await holdNamespace(started, folder, 'node', 'unshare', ['-rn']);
    await node.shell('ip link add pods type bridge && ip address add 10.88.0.1/16 dev pods && ip link set pods up');
    let pods = 1;
    return {
      node: asPod(started, folder, node, '10.88.0.1'),
      async pod(name) {
        pods += 1;
        const [number, address] = [pods, `10.88.0.${pods}`];
        const { command, arguments: argv } = node.inside('unshare', ['-n']);
        const held = await holdNamespace(started, folder, `${name}-${number}`, command, argv);
        await node.shell(`ip link add pod${number} type veth peer name eth0 netns ${held.pid} && ip link set pod${number} master pods up`);
        await held.shell(`ip address add ${address}/16 dev eth0 && ip link set eth0 up`);
        return asPod(started, folder, held, address);
      },
    };
  });
}

interface Namespace {
  readonly pid: number;
  readonly name: string;
  readonly inside: Pod['inside'];
  shell(line: string): Promise<void>;
}

/** A process that does nothing but keep the namespaces there. */
async function holdNamespace(started: Started, folder: string, name: string, command: string, argv: readonly string[]): Promise<Namespace> {
  const log = join(folder, `${name}.log`);
  const held = async () => /^held by (\d+)$/m.exec(await readFile(log, 'utf8'))?.[1];
  started.add(
    await startServer({
      name,
      command,
      arguments: [...argv, 'sh', '-c', 'ip link set lo up && echo held by $$ && exec sleep infinity'],
      folder,
      ready: async () => (await held()) !== undefined,
    }),
  );
  const pid = Number(await held());
  const inside: Pod['inside'] = (program, rest) => ({
    command: 'nsenter',
    arguments: ['--preserve-credentials', `--user=/proc/${pid}/ns/user`, `--net=/proc/${pid}/ns/net`, program, ...rest],
  });
  return {
    pid,
    name,
    inside,
    async shell(line) {
      const { command: program, arguments: rest } = inside('sh', ['-c', line]);
      await run(program, [...rest]);
    },
  };
}

function asPod(started: Started, folder: string, namespace: Namespace, address: string): Pod {
  const { name, inside, shell } = namespace;
  let relays = 0;

  async function relayInside(from: Spot, to: Spot, log: string): Promise<ServerProcess> {
    const program = inside(process.execPath, [join(import.meta.dirname, 'relay.ts'), written(from), written(to)]);
    const ready = async () => (await readFile(join(folder, `${log}.log`), 'utf8')).includes('relaying');
    return started.add(await startServer({ name: log, ...program, folder, ready }));
  }

  return {
    address,
    inside,
    async reach(port, host = LOOPBACK) {
      relays += 1;
      const [outside = 0] = await freePorts(1);
      const socket = { path: join(folder, `${name}-${relays}`) };
      await relayInside(socket, { host, port }, `${name}-relay-${relays}`);
      started.add(await relay({ host: LOOPBACK, port: outside }, socket));
      return outside;
    },
    async expose(port, outside) {
      relays += 1;
      const socket = { path: join(folder, `${name}-${relays}`) };
      started.add(await relay(socket, { host: LOOPBACK, port: outside }));
      await relayInside({ host: LOOPBACK, port }, socket, `${name}-relay-${relays}`);
    },
    own: (owned) => shell(`ip address add ${owned}/32 dev lo`),
  };
}
