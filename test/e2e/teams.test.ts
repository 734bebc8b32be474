/** Teams hears of it: cards from the shipped functions to a webhook that throttles first, each told once in the end. */
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { newAlert, payloadOf } from './alerts.ts';
import { type Installation, installation } from './installation.ts';
import { until } from './until.ts';

const SECRET = 'sig-of-the-webhook';
const MESH = `apiVersion: meshwright.dev/v1
kind: Mesh
name: shop
dataPlanes: [{ name: edge, kind: envoy }]
channels: { teams: { webhookSetting: SHOP_WEBHOOK } }
`;
const CATALOG = `apiVersion: meshwright.dev/v1
kind: Service
name: catalog
port: 8080
stable: v1
rollout: canary
`;

const cardSchema = z.object({
  type: z.literal('message'),
  attachments: z.tuple([
    z.object({
      contentType: z.literal('application/vnd.microsoft.card.adaptive'),
      content: z.looseObject({ type: z.literal('AdaptiveCard') }),
    }),
  ]),
});

/** Answers the first post as a throttled workflow does, inside a 200, and takes the others. */
function workflow(): { server: Server; taken: string[]; throttled: () => number } {
  const taken: string[] = [];
  let throttled = 0;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const text = Buffer.concat(chunks).toString();
    if (throttled === 0) {
      throttled += 1;
      response
        .writeHead(200, { 'retry-after': '1' })
        .end('Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429');
      return;
    }
    taken.push(JSON.stringify(cardSchema.parse(JSON.parse(text)).attachments[0].content));
    response.writeHead(202).end();
  });
  return { server, taken, throttled: () => throttled };
}

describe('Teams', () => {
  const teams = workflow();
  let mesh: Installation;

  beforeAll(async () => {
    await new Promise<void>((resolve) => teams.server.listen(0, '127.0.0.1', resolve));
    const address = teams.server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    mesh = await installation();
    await mesh.start('functions', {
      SHOP_WEBHOOK: `http://127.0.0.1:${port}/workflows/${SECRET}`,
      MESHWRIGHT_LOOPBACK_WEBHOOKS: 'true',
    });
    const files = [
      { path: 'mesh.yaml', text: MESH },
      { path: 'catalog.yaml', text: CATALOG },
    ];
    expect(await mesh.call('POST', '/apply', { files })).toMatchObject({ status: 200 });
  });
  afterAll(async () => {
    await mesh?.stop();
    teams.server.close();
  });

  it('is told of a rollout that waits and of an alert that fits nothing, though it throttled at first', async () => {
    expect(await mesh.deploy('v2')).toMatchObject({ status: 202 });
    const alert = newAlert();
    expect(await mesh.call('POST', '/alerts', payloadOf(alert, 'Fired', 'nobody-knows-this-rule'))).toMatchObject({ status: 422 });

    await until('both cards are taken', () => teams.taken.length >= 2, 90_000);
    expect(teams.throttled()).toBe(1);
    expect(teams.taken.filter((card) => card.includes('v2'))).toHaveLength(1);
    expect(teams.taken.filter((card) => card.includes('nobody-knows-this-rule'))).toHaveLength(1);
    await until('no card is owed', async () => (await mesh.status()).pending.every(({ what }) => !what.startsWith('card')));
  }, 120_000);

  it('never says where it is told', async () => {
    expect(await mesh.log('functions')).not.toContain(SECRET);
    const { body } = await mesh.call('GET', '/overview');
    expect(JSON.stringify(body)).not.toContain(SECRET);
  });
});
