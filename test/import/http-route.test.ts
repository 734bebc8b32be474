/** HTTPRoutes and Linkerd's policy as a spec. */
import { describe, expect, it } from 'vitest';
import { alarmsOf, importedCase, importedObjects, linesOf, serviceOf } from './read-case.ts';

const imported = importedCase('linkerd');
const books = serviceOf(imported, 'books');

describe('HTTPRoutes of a Service', () => {
  it('are routes in the order in which they are tried, with what Linkerd reads of annotations', () => {
    expect(books.routes).toMatchObject([
      { match: { path: { prefix: '/beta' } }, version: 'v2', timeoutMs: 2000, retries: { attempts: 2 } },
    ]);
    expect(books).toMatchObject({ stable: 'v1', timeoutMs: 2000, outlierDetection: { consecutiveErrors: 7, ejectionMs: 1000 } });
    expect(imported.traffic.get('books')).toEqual([
      { version: 'v1', weight: 67 },
      { version: 'v2', weight: 33 },
    ]);
  });

  it('leave out a match with a condition that a spec does not have, and say where a prefix means more', () => {
    expect(linesOf(imported)).toContainEqual(
      expect.stringMatching(/^not-imported HTTPRoute books-router spec.rules\[1\].matches: .*`queryParams`.*would match more/),
    );
    expect(linesOf(imported)).toContainEqual(
      expect.stringMatching(/^approximated HTTPRoute books-router spec.rules\[1\].matches: .*whole elements/),
    );
  });

  it('that are closer come first, as Gateway API tries them', () => {
    const to = (name: string) => [{ name: `books-${name}`, port: 80, weight: 1 }];
    const route = {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'books', namespace: 'shop' },
      spec: {
        parentRefs: [{ group: '', kind: 'Service', name: 'books', port: 80 }],
        rules: [
          { backendRefs: to('v1') },
          { matches: [{ path: { type: 'PathPrefix', value: '/a/' } }], backendRefs: to('v2') },
          { matches: [{ path: { type: 'PathPrefix', value: '/a/b/' } }], backendRefs: to('v3') },
          { matches: [{ path: { type: 'Exact', value: '/a' } }], backendRefs: to('v4') },
        ],
      },
    };
    const { routes, stable } = serviceOf(importedObjects([route]), 'books');
    expect(routes.map(({ version }) => version)).toEqual(['v4', 'v3', 'v2']);
    expect(stable).toBe('v1');
  });
});

describe("Linkerd's policy", () => {
  it('is whom MeshTLSAuthentications name by service account; networks and patterns are said', () => {
    expect(books.mtls?.stage).toBe('strict');
    expect(books.allow).toEqual([{ callers: [{ namespace: 'shop', serviceAccount: 'web' }] }]);
    expect(alarmsOf(imported)).toContainEqual(expect.stringMatching(/AuthorizationPolicy office .*NetworkAuthentication/));
    expect(alarmsOf(imported)).toContainEqual(expect.stringMatching(/AuthorizationPolicy web-to-books .*\*\.ops/));
  });
});
