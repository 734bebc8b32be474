/**
 * A meshwright to talk to: the real app over memory, with a data plane that serves at once, behind a real HTTP server that
 * answers as `functions/` does. Writes need the token.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { answered, type HttpAnswer, json, problem, received } from '../../src/api/problem.ts';
import { ROUTES } from '../../src/api/routes.ts';
import { type App, type ByHand, createApp } from '../../src/app.ts';
import type { Difference } from '../../src/reconcile/data-plane.ts';

export const TOKEN = 'the-token-of-this-test';

export interface Api {
  readonly url: string;
  readonly app: App;
  /** Versions that have a ready endpoint, or none; others are unknown. */
  readonly readiness: Record<string, 'ready' | 'none'>;
  /** What its proxies would have refused. */
  wouldRefuse: number;
  /** Where they are told apart. */
  callers: readonly { readonly caller: string; readonly wouldRefuse: number }[];
  /** In what the data plane differs from what was decided; a text: it cannot be seen, because of that. */
  drift: readonly Difference[] | string;
  readonly asked: { readonly method: string; readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: unknown }[];
  /** Answers everything from now on, in place of the app. */
  override: HttpAnswer | undefined;
  close(): Promise<void>;
}

export async function startApi(): Promise<Api> {
  const readiness: Api['readiness'] = { v1: 'ready', v2: 'ready', v3: 'ready' };
  const app = createApp({
    documents: new MemoryDocuments(),
    now: Date.now,
    setAlarm: async () => {},
    connect: () => ({
      apply: async () => ({ kind: 'applied' }),
      observe: async () => ({ kind: 'served' }),
      readiness: async () => readiness,
      dryRun: async () => ({
        proxies: [{ proxy: 'catalog-1.shop', wouldRefuse: api.wouldRefuse }],
        callers: api.callers.map((each) => ({ ...each, counter: 'x1' })),
      }),
      async drift() {
        if (typeof api.drift === 'string') throw new Error(api.drift);
        return api.drift;
      },
    }),
    channel: () => undefined,
    report: () => {},
  });
  const asked: Api['asked'] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const text = Buffer.concat(chunks).toString();
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const body: unknown = text === '' ? undefined : JSON.parse(text);
    const method = request.method ?? '';
    asked.push({ method, path: request.url ?? '', headers: request.headers, body });
    const authorized = method === 'GET' || request.headers.authorization === `Bearer ${TOKEN}`;
    const answer = api.override ?? (authorized ? await route(app, method, pathname, searchParams, body) : UNAUTHORIZED);
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const api: Api = {
    url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    app,
    readiness,
    wouldRefuse: 0,
    callers: [],
    drift: [],
    asked,
    override: undefined,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return api;
}

const UNAUTHORIZED = problem(401, 'NotAuthenticated', 'Send the token of .meshwright/token as "Authorization: Bearer <token>".');
/** Small, so that few fill more than one. */
const PARKED_PAGE = 2;
const ARCHIVE_PAGE = 1;
const COMMANDS = { pause: 'Pause', resume: 'Resume', promote: 'Promote', abort: 'Abort' } as const;
const isAction = (text: string): text is keyof typeof COMMANDS => Object.hasOwn(COMMANDS, text);

async function route(app: App, method: string, path: string, query: URLSearchParams, body: unknown): Promise<HttpAnswer> {
  const [, mesh = '', service = '', rest = ''] = /^\/meshes\/([^/]+)\/services\/([^/]+)(.*)$/.exec(path) ?? [];
  const given = typeof body === 'object' && body !== null ? body : {};
  switch (`${method} ${mesh === '' ? path : rest}`) {
    case 'GET /status':
      return json(200, { now: Date.now(), services: await app.status() });
    case 'POST /drift':
      return json(200, { now: Date.now(), drift: await app.lookForDrift(given) });
    case 'GET /drift':
      return json(200, { now: Date.now(), drift: await app.drift(Object.fromEntries(query)) });
    case 'GET /parked':
      return json(200, { parked: await app.parked(Number(query.get('after')), Number(query.get('limit') ?? PARKED_PAGE)) });
    case 'GET /journal':
      return json(200, { commits: await app.history(mesh, service, Number(query.get('after')), Number(query.get('limit'))) });
    case 'POST /shadow':
      return json(200, { now: Date.now(), shadow: await app.strictness.look(mesh, service) });
    case 'POST /alerts':
      return received(await app.receiveAlert(body));
    case 'POST /events':
      return received(await app.receiveEvent(body, { actor: 'local token', again: query.get('again') === 'true' }));
    case 'POST /apply':
      return apply(app, given);
    case 'POST /rollout': {
      const event = { specversion: '1.0', id: randomUUID(), source: '/test', type: 'Meshwright.Deployment.Requested' };
      const again = 'again' in given && given.again === true;
      return received(await app.receiveEvent({ ...event, data: { mesh, service, ...given } }, { actor: 'local token', again }));
    }
    case 'GET /archive':
      return json(200, { streams: await app.archive.streams() });
    case 'GET /archive/commits':
      return json(200, { commits: await app.archive.commits(query.get('stream') ?? '', Number(query.get('after')), ARCHIVE_PAGE) });
    case 'GET /archive/documents':
      return json(200, { documents: await app.archive.documents(query.get('mesh') ?? '') });
    case 'POST /archive': {
      const restored = await app.archive.restore(ROUTES.restore.body.parse(body));
      return restored.ok ? json(200, restored) : problem(409, restored.reason, restored.message);
    }
    case 'GET /dead-letters':
      return json(200, await app.deadLetters.list());
    default: {
      const [, letter, send] = /^\/dead-letters\/([^/]+?)(\/send)?$/.exec(path) ?? [];
      if (letter !== undefined) return deadLetter(app, letter, send !== undefined);
      const [, named] = /^\/meshes\/([^/]+)\/spec$/.exec(path) ?? [];
      if (named !== undefined) {
        const adopted = await app.adopted(named);
        return adopted ? json(200, adopted) : problem(404, 'UnknownMesh', `No spec of ${named} is adopted.`);
      }
      const [, id] = /^\/parked\/([^/]+)$/.exec(path) ?? [];
      const parked = id === undefined ? undefined : await app.parkedOne(id);
      if (parked) return json(200, parked);
      if (id !== undefined) return problem(404, 'UnknownDelivery', 'Nothing is parked under this id; GET /parked lists what is.');
      const action = rest.replace('/rollout/', '');
      if (method !== 'POST' || !isAction(action)) return problem(404, 'UnknownRoute', `Nothing is served at ${path}.`);
      const command: ByHand = { type: COMMANDS[action], ...given };
      const answer = await app.byHand(mesh, service, { id: randomUUID(), actor: 'local token' }, command);
      return answer ? answered(answer) : problem(404, 'UnknownService', `No adopted spec names ${service} in ${mesh}.`);
    }
  }
}

async function deadLetter(app: App, id: string, send: boolean): Promise<HttpAnswer> {
  const unknown = problem(404, 'UnknownLetter', 'There is no such dead letter (any more); GET /dead-letters lists what there is.');
  if (!send) {
    const letter = await app.deadLetters.read(id);
    return letter ? json(200, { id, ...letter }) : unknown;
  }
  const sent = await app.deadLetters.sendAgain(id, 'local token');
  if (!sent) return unknown;
  return sent.kind === 'refused' ? problem(409, sent.reason, sent.message) : json(200, { received: sent.received });
}

async function apply(app: App, given: object): Promise<HttpAnswer> {
  const files = 'files' in given && Array.isArray(given.files) ? given.files : [];
  const acceptRefusals = 'acceptRefusals' in given && given.acceptRefusals === true;
  const applied = await app.apply(files, { actor: 'local token', acceptRefusals });
  if (applied.ok) return json(200, applied);
  return problem(422, 'SpecRefused', 'Nothing was changed; mend what "problems" lists and apply again.', { problems: applied.problems });
}

/** A mesh with services that stand at v1, and hold each step for an hour. */
export function specFiles(mesh: string, services: readonly string[]): { path: string; text: string }[] {
  const steps = '[{ weight: 10, hold: 1h, deadline: 2h }, { weight: 50, hold: 1h, deadline: 2h }]';
  return [
    { path: 'mesh.yaml', text: `apiVersion: meshwright.dev/v1\nkind: Mesh\nname: ${mesh}\ndataPlanes: [{ name: edge, kind: envoy }]\n` },
    ...services.map((name) => ({
      path: `${name}.yaml`,
      text: `apiVersion: meshwright.dev/v1\nkind: Service\nname: ${name}\nport: 8080\nstable: v1\nrollout: { strategy: canary, steps: ${steps} }\n`,
    })),
  ];
}
