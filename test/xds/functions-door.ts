/** The functions' door as the xds server knocks at it: a real HTTP server that takes hints, or refuses them as a test says. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { z } from 'zod';

const silentSchema = z.object({ dataPlane: z.string(), service: z.string(), text: z.string(), at: z.number() });
const hintSchema = z.object({
  mesh: z.string(),
  services: z.array(z.string()),
  silent: z.array(silentSchema).exactOptional(),
  trust: z.boolean().exactOptional(),
});

export interface Knock {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly mesh: string;
  readonly services: readonly string[];
  readonly silent?: readonly z.infer<typeof silentSchema>[];
  readonly trust?: boolean;
}

export interface FunctionsDoor {
  readonly url: string;
  /** Every hint that came, taken or refused. */
  readonly knocks: readonly Knock[];
  /** What is answered from now on. */
  status: number;
  stop(): Promise<void>;
}

/** `onKnock` is called before the answer goes. */
export async function openFunctionsDoor(onKnock: (knock: Knock) => void | Promise<void> = () => {}): Promise<FunctionsDoor> {
  const knocks: Knock[] = [];
  const door = { status: 202 };
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += chunk;
    const knock = { path: request.url ?? '', authorization: request.headers.authorization, ...hintSchema.parse(JSON.parse(text)) };
    knocks.push(knock);
    await onKnock(knock);
    response.writeHead(door.status).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not bound to a port');
  return Object.assign(door, {
    url: `http://127.0.0.1:${address.port}`,
    knocks,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
}
