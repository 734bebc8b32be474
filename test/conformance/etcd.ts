/** A real etcd for one API server, on free ports of 127.0.0.1. */
import { freePorts } from '../real-envoy.ts';
import { LOOPBACK, type Running, startingTogether, startServer } from './process.ts';
import { serverBinary } from './servers/build.ts';

export interface Etcd extends Running {
  readonly url: string;
}

export async function startEtcd(): Promise<Etcd> {
  const command = await serverBinary('etcd');
  return startingTogether(async (started) => {
    const folder = await started.folder('etcd');
    const [client = 0, peer = 0] = await freePorts(2);
    const url = `http://${LOOPBACK}:${client}`;
    const peerUrl = `http://${LOOPBACK}:${peer}`;
    const urls = [`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`, `--listen-peer-urls=${peerUrl}`];
    const cluster = [`--initial-advertise-peer-urls=${peerUrl}`, `--initial-cluster=default=${peerUrl}`];
    started.add(
      await startServer({
        name: 'etcd',
        command,
        // Nothing here needs to survive a power cut.
        arguments: [`--data-dir=${folder}/data`, ...urls, ...cluster, '--unsafe-no-fsync', '--log-level=warn'],
        folder,
        ready: async () => (await fetch(`${url}/health`)).ok,
      }),
    );
    return { url };
  });
}
