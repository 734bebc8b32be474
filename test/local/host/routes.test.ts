/** Which function a path and a method lead to, and which routes are refused. */
import { describe, expect, it } from 'vitest';
import { compileRoutes, type Route } from '../../../src/local/host/routes.ts';

const route = (template: string, ...methods: string[]): Route<string> => ({
  template,
  methods: methods.length > 0 ? methods : ['GET'],
  target: template,
});
const find = (templates: string[], path: string) => {
  const found = compileRoutes(templates.map((template) => route(template)))('GET', path);
  return found.kind === 'found' ? [found.target, found.params] : found.kind;
};

describe('a route matches', () => {
  it.each([
    ['services', '/services', {}],
    ['Services', '/sERVICES/', {}],
    ['services/{name}', '/services/catalog', { name: 'catalog' }],
    ['services/{name}', '/services/cata%20log%2Fv2', { name: 'cata log%2Fv2' }],
    ['at/{version:int}', '/at/-12', { version: '-12' }],
    ['at/{version:int:range(1,9)}', '/at/9', { version: '9' }],
    ['at/{name:length(2,3)}', '/at/abc', { name: 'abc' }],
    ['at/{id:guid}', '/at/7f1ad0d2-6a3f-4c5e-9d0b-0a1b2c3d4e5f', { id: '7f1ad0d2-6a3f-4c5e-9d0b-0a1b2c3d4e5f' }],
    ['journal/{stream?}', '/journal', {}],
    ['journal/{stream?}', '/journal/trust', { stream: 'trust' }],
    ['files/{*rest}', '/files/a/b%20c/d', { rest: 'a/b c/d' }],
    ['files/{*rest}', '/files', {}],
    ['{ignored:maxlength(0)?}', '/', {}],
  ])('%s takes %s', (template, path, params) => {
    expect(find([template], path)).toEqual([template, params]);
  });

  it.each([
    ['services', '/services/catalog'],
    ['services/{name}', '/services'],
    ['services/{name}', '/services//'],
    ['at/{version:int}', '/at/2147483648'],
    ['at/{version:int}', '/at/1.5'],
    ['at/{version:int:range(1,9)}', '/at/10'],
    ['at/{name:length(2,3)}', '/at/a'],
    ['at/{name:minlength(2)}', '/at/a'],
    ['at/{version:min(2)}', '/at/1'],
    ['at/{version:max(2)}', '/at/3'],
    ['at/{on:bool}', '/at/1'],
    ['at/{name:alpha}', '/at/v2'],
    ['{ignored:maxlength(0)?}', '/anything'],
    ['services/{name}', '/services/%E0%A4%A'],
  ])('%s does not take %s', (template, path) => {
    expect(find([template], path)).toBe('notFound');
  });
});

describe('the more specific route wins, whatever the order of registration', () => {
  const templates = ['{*rest}', 'services/{name}', 'services/{version:int}', 'services/list', 'services/{name}/pause'];
  it.each([
    ['/services/list', 'services/list'],
    ['/services/7', 'services/{version:int}'],
    ['/services/catalog', 'services/{name}'],
    ['/services/list/pause', 'services/{name}/pause'],
    ['/services/catalog/resume', '{*rest}'],
  ])('%s leads to %s', (path, template) => {
    for (const order of [templates, templates.toReversed()]) expect(find(order, path)).toEqual([template, expect.anything()]);
  });
});

describe('methods', () => {
  const match = compileRoutes([route('services/{name}', 'GET', 'DELETE'), route('services/sync', 'POST')]);

  it('that no matching route takes are named', () => {
    expect(match('PUT', '/services/sync')).toEqual({ kind: 'methodNotAllowed', allow: ['DELETE', 'GET', 'POST'] });
    expect(match('POST', '/services/catalog')).toEqual({ kind: 'methodNotAllowed', allow: ['DELETE', 'GET'] });
  });

  it('let a less specific route answer when the more specific one does not take them', () => {
    expect(match('GET', '/services/sync')).toEqual({ kind: 'found', target: 'services/{name}', params: { name: 'sync' } });
  });
});

it('the prefix of host.json stands before every route', () => {
  const match = compileRoutes([route('services')], 'api/v1');
  expect(match('GET', '/api/v1/services').kind).toBe('found');
  expect(match('GET', '/services').kind).toBe('notFound');
});

describe('a route is refused', () => {
  it.each([
    ['/services', 'may not begin with'],
    ['services//list', 'empty segment'],
    ['services/{name', 'neither a literal nor one whole parameter'],
    ['services/v{version}', 'neither a literal nor one whole parameter'],
    ['services/{name:even}', 'doesn\'t know the constraint "even"'],
    ['services/{name:maxlength(x)}', 'wrong arguments'],
    ['services/{name:range(1)}', 'wrong arguments'],
    ['{*rest}/list', 'catch-all must be its last'],
    ['{name?}/list', 'optional parameter must be its last'],
    ['{name}/{Name}', 'names a parameter twice'],
    ['admin/keys', 'Azure keeps "admin" for itself'],
    ['Runtime/webhooks', 'Azure keeps "Runtime" for itself'],
  ])('%s', (template, why) => {
    expect(() => compileRoutes([route(template)])).toThrow(why);
  });

  it('when no request could tell it from another', () => {
    expect(() => compileRoutes([route('Services/{name:int}'), route('services/{version:int}')])).toThrow('Two functions take GET');
    expect(() => compileRoutes([route('services/{name}', 'GET'), route('services/{id}', 'POST')])).not.toThrow();
    expect(() => compileRoutes([route('services/{name}'), route('services/{id:int}')])).not.toThrow();
  });
});
