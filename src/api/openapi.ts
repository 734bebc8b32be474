/**
 * The OpenAPI document (3.1.1, https://spec.openapis.org/oas/v3.1.1), made from the table of routes and what each answers: nothing of it is
 * written by hand. No function loads this but the one that serves it, and that at its first request.
 */
import { z } from 'zod';
import { ANSWERS, problemSchema, problemStatusesOf } from './answers.ts';
import type { Route } from './route.ts';
import { takesBody, takesQuery } from './route.ts';
import { ROUTES, type RouteName } from './routes.ts';

/** As in package.json; a test holds them together. */
const VERSION = '0.1.0';

type Schema = Readonly<Record<string, unknown>>;
type AnyRoute = Route<unknown, unknown, unknown>;

export interface OpenApi {
  readonly openapi: string;
  readonly info: Schema;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Schema>>>>;
  readonly components: Schema;
}

let written: string | undefined;
/** As it is served, and kept in docs/openapi.json. */
export function openApiText(): string {
  written ??= `${JSON.stringify(openApiDocument(), null, 1)}\n`;
  return written;
}

/** Without a `servers`: the document is served by the server that it describes. */
export function openApiDocument(): OpenApi {
  const operations = Object.keys(ROUTES)
    .filter(isRouteName)
    .map((name) => {
      const route: AnyRoute = ROUTES[name];
      return { path: pathOf(route.path), method: route.method.toLowerCase(), operation: operationOf(name, route) };
    });
  const paths = Map.groupBy(operations, ({ path }) => path);
  return {
    openapi: '3.1.1',
    info: {
      title: 'meshwright',
      version: VERSION,
      summary: 'A control plane for service meshes on Azure.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    paths: Object.fromEntries(
      [...paths].map(([path, same]) => [path, Object.fromEntries(same.map(({ method, operation }) => [method, operation]))]),
    ),
    components: {
      responses: { Problem: PROBLEM, TooLong: TOO_LONG },
      parameters: { IdempotencyKey: IDEMPOTENCY_KEY },
      schemas: { Problem: shapeOf(problemSchema, 'output') },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A token of Entra ID; on one machine, the one of .meshwright/token.' },
        doorKey: { type: 'apiKey', in: 'query', name: 'code', description: 'A key that opens one door; or as a bearer token.' },
      },
    },
  };
}

/** What Azure Functions adds to a path to match the empty one is no part of it. */
const pathOf = (path: string): string => `/${path.replace(/\{\w+:[^}]*\?\}/, '')}`;

const isRouteName = (name: string): name is RouteName => Object.hasOwn(ROUTES, name);

function operationOf(name: RouteName, route: AnyRoute): Schema {
  const { status, type, content } = ANSWERS[name];
  return {
    operationId: route.name,
    summary: route.summary,
    description: whoMay(route),
    security: securityOf(route),
    parameters: [...inPath(route), ...inQuery(route), ...(route.idempotent ? [{ $ref: '#/components/parameters/IdempotencyKey' }] : [])],
    ...(takesBody(route) ? { requestBody: bodyOf(route) } : {}),
    responses: {
      [String(status)]: { description: 'Done, or taken in.', content: { [type]: { schema: shapeOf(content, 'output') } } },
      '431': { $ref: '#/components/responses/TooLong' },
      ...Object.fromEntries(problemStatusesOf(name, route).map((each) => [String(each), { $ref: '#/components/responses/Problem' }])),
    },
  };
}

const TOO_LONG = { description: 'Of the host: the path, the query or the headers are longer than it reads.' };

const PROBLEM = {
  description: 'Refused, with a `reason` that does not change and a `detail` that says what to do.',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'The same is answered to the same request with the same key.',
  schema: { type: 'string', minLength: 1, maxLength: 256, pattern: '^[!-~]+$' },
};

function whoMay({ access }: AnyRoute): string {
  if (access.kind === 'open') return `Anybody. ${access.because}`;
  const door = access.door === undefined ? '' : `, or who comes in by the door \`${access.door}\``;
  return `${access.role}${door}. See docs/access.md.`;
}

function securityOf({ access }: AnyRoute): readonly Schema[] {
  if (access.kind === 'open') return [];
  return access.door === undefined ? [{ bearer: [] }] : [{ bearer: [] }, { doorKey: [] }];
}

const objectSchema = z.object({
  properties: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
  required: z.array(z.string()).default([]),
});

const inPath = (route: AnyRoute): readonly Schema[] =>
  Object.entries(objectSchema.parse(shapeOf(route.params, 'input')).properties).map(([name, schema]) => ({
    name,
    in: 'path',
    required: true,
    schema,
  }));

function inQuery(route: AnyRoute): readonly Schema[] {
  if (!takesQuery(route)) return [];
  const { properties, required } = objectSchema.parse(shapeOf(route.query, 'input'));
  return Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', required: required.includes(name), schema }));
}

function bodyOf(route: AnyRoute): Schema {
  const schema = shapeOf(route.body, 'input');
  const isOptional = route.body.safeParse(undefined).success;
  return { required: !isOptional, content: { 'application/json': { schema } } };
}

/** JSON Schema 2020-12, the dialect of OpenAPI 3.1. */
function shapeOf(schema: z.ZodType, io: 'input' | 'output'): Schema {
  const { $schema: _, ...shape } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return shape;
}
