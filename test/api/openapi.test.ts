/** The OpenAPI document says of every route what the table of routes says, and what is kept of it in docs/ is what is served. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ANSWERS, problemStatusesOf } from '../../src/api/answers.ts';
import { openApiDocument, openApiText } from '../../src/api/openapi.ts';
import { type Route, takesBody } from '../../src/api/route.ts';
import { ROUTES } from '../../src/api/routes.ts';

const root = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

const shape = z.looseObject({ type: z.unknown().optional() });
const operationSchema = z.object({
  operationId: z.string(),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  parameters: z.array(
    z.union([
      z.object({ $ref: z.string() }),
      z.object({ name: z.string(), in: z.enum(['path', 'query']), required: z.boolean(), schema: shape }),
    ]),
  ),
  requestBody: z.object({ required: z.boolean(), content: z.record(z.string(), z.object({ schema: shape })) }).optional(),
  responses: z.record(z.string(), z.looseObject({})),
});
const document = openApiDocument();
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, ...operationSchema.parse(operation) })),
);
const operationOf = (name: string) => operations.find(({ operationId }) => operationId === name);

describe('docs/openapi.json', () => {
  it('is what `npm run docs:openapi` writes', () => {
    expect(root('docs/openapi.json'), 'the routes changed: run `npm run docs:openapi`').toBe(openApiText());
  });
});

describe('the OpenAPI document', () => {
  it('is of this version', () => {
    expect(document.info).toMatchObject({ version: z.object({ version: z.string() }).parse(JSON.parse(root('package.json'))).version });
  });

  it.each(Object.entries(ROUTES))('has the route %s, with its parameters, its body and its answers', (name, written) => {
    const route: Route<unknown, unknown, unknown> = written;
    const operation = operationOf(name);
    expect(operation).toMatchObject({ method: route.method.toLowerCase() });
    const named = [...(operation?.path ?? '').matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
    const inPath = operation?.parameters.flatMap((each) => ('in' in each && each.in === 'path' ? [each.name] : []));
    expect(inPath).toEqual(named);
    expect(operation?.requestBody !== undefined).toBe(takesBody(route));
    const answered = Object.entries(ANSWERS).find(([key]) => key === name)?.[1];
    expect(Object.keys(operation?.responses ?? {})).toContain(String(answered?.status));
    expect(operation?.security.length === 0).toBe(route.access.kind === 'open');
  });

  it('has every route once, and no other', () => {
    expect(operations.map(({ operationId }) => operationId).sort()).toEqual(Object.keys(ROUTES).sort());
  });

  it('names the problems that each route has', () => {
    expect(Object.keys(operationOf('apply')?.responses ?? {})).toEqual(
      ['200', ...problemStatusesOf('apply', ROUTES.apply).map(String), '431'].sort(),
    );
    expect(problemStatusesOf('apply', ROUTES.apply)).toEqual([400, 401, 403, 413, 422, 503]);
  });

  it('points at nothing that is not there', () => {
    for (const [, pointer = ''] of openApiText().matchAll(/"\$ref": "([^"]+)"/g)) {
      const found = pointer
        .split('/')
        .slice(1)
        .reduce<unknown>((value, key) => shape.safeParse(value).data?.[key], document);
      expect(found, pointer).toBeDefined();
    }
  });
});
