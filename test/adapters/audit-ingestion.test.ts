/**
 * The Logs Ingestion API as its page documents it, on a server of this test over TLS: the path with the rule and the rows' name, a token for Azure
 * Monitor, a JSON array in gzip, 204; and what it answers where it does not take them.
 * https://learn.microsoft.com/azure/azure-monitor/logs/logs-ingestion-api-overview
 */
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer, type Server } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openAuditLog } from '../../src/adapters/audit-ingestion.ts';
import { type AuditLog, auditRow } from '../../src/journal/audit-rows.ts';
import { sha256 } from '../../src/journal/hash.ts';
import { createAuthority } from '../dataplanes/envoy/identities.ts';

const RULE = `dcr-${'0123456789abcdef'.repeat(2)}`;
const STREAM = 'Custom-MeshwrightJournal_CL';
const OID = '11111111-2222-3333-4444-555555555555';

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rows: unknown;
}
interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

let server: Server;
let log: AuditLog;
let asked: Asked[];
let scopes: string[];
/** Taken one by one; then it is 204. */
let answers: Answer[];

beforeAll(async () => {
  const authority = await createAuthority('ingestion');
  const { certificate, key } = await authority.issueServing('localhost');
  server = createServer({ cert: certificate, key }, async (request, response) => {
    const rows: unknown = JSON.parse(gunzipSync(await buffer(request)).toString('utf8'));
    asked.push({ method: request.method ?? '', url: decodeURIComponent(request.url ?? ''), headers: request.headers, rows });
    const { status, headers, body } = answers.shift() ?? { status: 204 };
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const at = server.address();
  log = await openAuditLog({
    endpoint: `https://localhost:${typeof at === 'object' && at ? at.port : 0}`,
    rule: RULE,
    stream: STREAM,
    credential: {
      getToken: async (wanted) => {
        scopes.push(...[wanted].flat());
        return { token: 'the-token', expiresOnTimestamp: Date.now() + 3_600_000 };
      },
    },
    authority: authority.root,
  });
});
afterAll(() => {
  server?.close();
  server?.closeAllConnections();
});
beforeEach(() => {
  [asked, answers, scopes] = [[], [], []];
});

const row = (version: number) =>
  auditRow('service/shop/catalog', {
    version,
    schema: 1,
    at: Date.parse('2026-11-22T10:00:00Z'),
    deliveryId: `d${version}`,
    actor: 'kim',
    events: [{ type: 'RolloutPaused' }],
    message: 'Pausiert – für heute.',
    prevHash: sha256(`${version - 1}`),
    hash: sha256(`${version}`),
  });

const soon = { 'retry-after-ms': '1' };

describe('rows', () => {
  it('are one request by the rule, with a token for Azure Monitor, in gzip', async () => {
    const rows = [row(1), row(2)];
    await log.send(rows);
    expect(asked).toMatchObject([
      {
        method: 'POST',
        url: `/dataCollectionRules/${RULE}/streams/${STREAM}?api-version=2023-01-01`,
        headers: { authorization: 'Bearer the-token', 'content-encoding': 'gzip', 'content-type': 'application/json' },
        rows,
      },
    ]);
    for (const scope of scopes) expect(scope).toBe('https://monitor.azure.com/.default');
  });

  it.each([429, 500, 503])('are sent again where the answer is %s, and are taken then', async (status) => {
    answers = [{ status, headers: soon }];
    await log.send([row(1)]);
    expect(asked.map(({ rows }) => rows)).toEqual([[row(1)], [row(1)]]);
  });

  it.each([429, 503])('are given back after a few answers of %s, so that they are held', async (status) => {
    answers = Array.from({ length: 10 }, () => ({ status, headers: soon }));
    await expect(log.send([row(1)])).rejects.toMatchObject({ statusCode: status });
    expect(asked).toHaveLength(3);
  });

  it('that are refused for want of a role name it, and what grants it', async () => {
    const message = `The authentication token provided does not have access to ingest data for the data collection rule with immutable Id '${RULE}' (object id '${OID}').`;
    answers = [{ status: 403, body: JSON.stringify({ error: { code: 'OperationFailed', message } }) }];
    await expect(log.send([row(1)])).rejects.toThrow(
      `The data collection rule ${RULE} takes no rows of this app: the identity ${OID} lacks the role "Monitoring Metrics Publisher"; give it with \`az role assignment create --role "Monitoring Metrics Publisher" --assignee-object-id ${OID} --assignee-principal-type ServicePrincipal --scope "$(az monitor data-collection rule list --query "[?immutableId=='${RULE}'].id" --output tsv)"\`.`,
    );
  });

  it('that are not what the rule declares say what the answer says', async () => {
    answers = [{ status: 400, body: JSON.stringify({ error: { code: 'InvalidStream', message: 'Stream is not in the rule.' } }) }];
    await expect(log.send([row(1)])).rejects.toThrow(/Stream is not in the rule/);
    expect(asked).toHaveLength(1);
  });
});
