/**
 * Where a request goes: to the Event Grid endpoint or to the HTTP function whose route it matches, as one invocation
 * (one an event), and what is answered when it fits nothing, is too large, or the function fails.
 */
import { sameSecret } from '../../api/authenticate.ts';
import { answerHandshake, EVENT_GRID_PATH, readDelivery } from './event-grid.ts';
import { LARGEST_BODY_BYTES, type Received } from './http.ts';
import type { Invocations } from './invocation.ts';
import { problem, type Reply } from './problem.ts';
import { compileRoutes } from './routes.ts';
import { type Runnable, withTrigger } from './triggers.ts';
import { eventGridData, httpData, readHttpResponse } from './typed-data.ts';

export interface FrontDoor {
  /** Rejects when a function answered what this host can't send. That a function failed is in the log already. */
  answer(request: Received): Promise<Reply>;
  /** From now on every request is answered 503. */
  shut(): void;
}

/**
 * @param eventGridKey what the Event Grid endpoint asks for, as Azure asks for the system key; without it everyone is let in.
 * @throws Error when a function's route can't be served, see `compileRoutes`.
 */
export function createFrontDoor(
  functions: readonly Runnable[],
  routePrefix: string,
  invocations: Invocations,
  eventGridKey?: string,
): FrontDoor {
  const match = compileRoutes(
    withTrigger(functions, 'httpTrigger').map((target) => ({
      // An empty route counts as none on Azure too: `/` itself is `{ignored:maxlength(0)?}`.
      template: target.trigger.route || target.fn.name,
      methods: target.trigger.methods.map((method) => method.toUpperCase()),
      target,
    })),
    routePrefix,
  );
  const subscribers = new Map(withTrigger(functions, 'eventGridTrigger').map((subscriber) => [subscriber.fn.name, subscriber]));
  let isShut = false;

  /** The body, or what to answer instead of working on the request. */
  const admit = async (request: Received): Promise<Buffer | Reply> => {
    const body = await request.body();
    if (!body) return problem(413, 'BodyTooLarge', `Send at most ${LARGEST_BODY_BYTES} bytes.`);
    return isShut ? problem(503, 'Stopping', 'This server is stopping; ask again when it has been started anew.') : body;
  };

  const answerEventGrid = async (request: Received): Promise<Reply> => {
    if (eventGridKey !== undefined && !sameSecret(keyOf(request), eventGridKey))
      return problem(401, 'NotAuthenticated', 'Send the key of this endpoint as ?code=<key> or as "Authorization: Bearer <key>".');
    if (!['OPTIONS', 'POST'].includes(request.method)) return methodNotAllowed(request.method, ['OPTIONS', 'POST']);
    const name = request.query.get('functionName') ?? '';
    const subscriber = subscribers.get(name);
    if (!subscriber) return problem(404, 'UnknownFunction', `There is no Event Grid function "${name}"; name one in ?functionName=.`);
    if (request.method === 'OPTIONS') {
      const headers = answerHandshake(request.headers);
      return headers
        ? { status: 200, headers, body: '' }
        : problem(400, 'OriginMissing', 'Name the origin in the header WebHook-Request-Origin.');
    }
    const body = await admit(request);
    if (!Buffer.isBuffer(body)) return body;
    const delivery = readDelivery(request.headers, body.toString('utf8'));
    switch (delivery.kind) {
      case 'refused':
        return problem(400, delivery.reason, delivery.message);
      case 'validation':
        return {
          status: 200,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ validationResponse: delivery.validationCode }),
        };
      case 'unsubscribe':
        return { status: 202, headers: {}, body: '' };
      case 'events': {
        // All are waited for even if one fails: Event Grid sends the whole batch again, not while the rest still runs.
        const runs = await Promise.allSettled(delivery.events.map((event) => invocations.run(subscriber, eventGridData(event))));
        const failed = runs.filter(({ status }) => status === 'rejected').length;
        if (failed === 0) return { status: 202, headers: {}, body: '' };
        return problem(500, 'FunctionFailed', `Function "${name}" failed for ${failed} of ${runs.length} events; send them again.`);
      }
    }
  };

  return {
    async answer(request) {
      if (request.path.toLowerCase() === EVENT_GRID_PATH.toLowerCase()) return answerEventGrid(request);
      const route = match(request.method, request.path);
      if (route.kind === 'notFound') return problem(404, 'UnknownRoute', `Nothing is served at ${request.path}; check the path.`);
      if (route.kind === 'methodNotAllowed') return methodNotAllowed(request.method, route.allow);
      const body = await admit(request);
      if (!Buffer.isBuffer(body)) return body;
      let response: unknown;
      try {
        response = await invocations.run(route.target, httpData(request, route.params, body));
      } catch {
        return problem(500, 'FunctionFailed', `Function "${route.target.fn.name}" failed; the log of this server says why.`);
      }
      return readHttpResponse(response);
    },
    shut() {
      isShut = true;
    },
  };
}

const keyOf = ({ query, headers }: Received): string => query.get('code') ?? /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '';

function methodNotAllowed(method: string, allow: readonly string[]): Reply {
  return problem(405, 'MethodNotAllowed', `${method} is not served here; use ${allow.join(' or ')}.`, { allow: allow.join(', ') });
}
