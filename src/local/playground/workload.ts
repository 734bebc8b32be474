/** The sample workload: `catalog` in three versions, one of them broken, and a small steady load from a caller. */
import { createServer, request, type Server } from 'node:http';

export const VERSIONS = ['v1', 'v2', 'v2-broken'] as const;
export type Version = (typeof VERSIONS)[number];

/** Every second answer of the broken version is a 500, as a bad deployment's would be. */
export async function startCatalog(version: Version, port: number): Promise<Server> {
  let answered = 0;
  const server = createServer((_request, response) => {
    answered += 1;
    const broken = version === 'v2-broken' && answered % 2 === 0;
    response.writeHead(broken ? 500 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(broken ? { error: 'catalog is broken' } : { service: 'catalog', version }));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}

/** Calls `catalog` through the caller's Envoy, `perSecond` times, until it is stopped. */
export function startLoad(outboundPort: number, perSecond: number): { stop(): void } {
  const timer = setInterval(() => {
    const call = request(
      { host: '127.0.0.1', port: outboundPort, path: '/items', headers: { host: 'catalog' }, timeout: 5_000 },
      (response) => response.resume(),
    );
    // The load only makes the mesh move; who fails is seen in Envoy's own numbers.
    call.on('error', () => {});
    call.on('timeout', () => call.destroy());
    call.end();
  }, 1_000 / perSecond);
  return { stop: () => clearInterval(timer) };
}
