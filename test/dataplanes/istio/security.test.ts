/** Who may call, as Istio is told: never more callers than the plan names, and nobody refused before it is asked for. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { istioFidelity, istioFidelityIn } from '../../../src/dataplanes/istio/fidelity.ts';
import { renderIstio } from '../../../src/dataplanes/istio/render.ts';
import { isRefusal, judge } from '../../../src/plan/fidelity.ts';
import type { AllowRule, PlannedSecurity, ServicePlan } from '../../../src/plan/plan.ts';
import { renderable, rendered } from './objects.ts';

const holds = (property: (plan: ServicePlan) => void): void => fc.assert(fc.property(renderable, property));

const web: AllowRule = { callers: [{ namespace: 'shop', serviceAccount: 'web' }] };
const planWith = (stage: PlannedSecurity['stage'], ...allow: readonly AllowRule[]): ServicePlan => ({
  mesh: 'sample',
  service: 'catalog',
  namespace: 'shop',
  port: 80,
  protocol: 'http',
  selector: { app: 'catalog' },
  versions: [{ name: 'v1', labels: { version: 'v1' } }],
  routes: [{ name: 'default', match: {}, split: [{ version: 'v1', weight: 100 }] }],
  dataPlanes: [],
  security: { stage, trustDomain: 'mesh.example', serviceAccount: 'catalog', allow },
});
const refusals = (plan: ServicePlan) =>
  judge(plan, istioFidelity)
    .filter(isRefusal)
    .map(({ judgement }) => judgement.code);

describe('security for Istio', () => {
  it('only ever allows, but for what lacks a token: a DENY with methods or paths would deny everything on a TCP port', () =>
    holds((plan) => {
      const actions = rendered(plan).objects.flatMap(({ spec }) => ('action' in spec ? [spec.action] : []));
      const allowing = plan.security && plan.security.stage !== 'permissive';
      expect(actions).toEqual([...(allowing ? ['ALLOW'] : []), ...(plan.tokens ? ['DENY'] : [])]);
    }));

  it('refuses what lacks a token, or anything that is asked of one, whatever the stage of mTLS', () =>
    holds((plan) => {
      const [verifying, refusing, ...more] = rendered(plan).tokens;
      expect([verifying?.kind, refusing?.kind, more]).toEqual(
        plan.tokens ? ['RequestAuthentication', 'AuthorizationPolicy', []] : [undefined, undefined, []],
      );
      if (!plan.tokens) return;
      const { issuer, audience, jwks, roles } = plan.tokens;
      expect(verifying?.spec).toMatchObject({ jwtRules: [{ issuer, audiences: [audience], jwksUri: jwks }] });
      expect(refusing?.spec).toMatchObject({
        rules: [
          { when: [{ key: 'request.auth.claims[iss]', notValues: [issuer] }] },
          { when: [{ key: 'request.auth.audiences', notValues: [audience] }] },
          ...(roles ? [{ when: [{ key: 'request.auth.claims[roles]', notValues: roles }] }] : []),
        ],
      });
    }));

  it('asks for no token by a pattern that was meant as it stands', () => {
    const tokens = { issuer: 'https://issuer.example', audience: 'a', jwks: 'https://issuer.example/keys' };
    const asking = (over: Partial<NonNullable<ServicePlan['tokens']>>) =>
      refusals({ ...planWith('permissive'), tokens: { ...tokens, ...over } });
    expect(asking({ roles: ['Read', 'Wri*te'] })).toEqual([]);
    for (const over of [{ issuer: 'https://*' }, { audience: '*' }, { audience: '*.example' }, { roles: ['Read', 'Orders.*'] }])
      expect(asking(over)).toEqual(['WildcardInTokens']);
  });

  it('selects the workloads of the service, and nobody beside them', () =>
    holds((plan) => {
      const { authentication, authorization, tokens, telemetry } = rendered(plan);
      for (const policy of [authentication, authorization, ...tokens, telemetry])
        if (policy) expect(policy.spec.selector.matchLabels).toEqual(plan.selector);
    }));

  it('takes plaintext until it is strict, and refuses nobody until then', () =>
    holds((plan) => {
      const { authentication, authorization } = rendered(plan);
      const stage = plan.security?.stage;
      expect(authentication?.spec.mtls.mode).toBe(stage && (stage === 'strict' ? 'STRICT' : 'PERMISSIVE'));
      expect(authorization !== undefined).toBe(stage === 'shadow' || stage === 'strict');
      // Said by strict too: left out, one that somebody else has put there would have the policy refuse nobody.
      expect(authorization?.metadata.annotations).toEqual(authorization && { 'istio.io/dry-run': String(stage === 'shadow') });
    }));

  it('allows the identities of a rule, each with the methods and paths of that rule alone', () =>
    holds((plan) => {
      const { authorization } = rendered(plan);
      if (!plan.security || !authorization) return;
      const { trustDomain, allow } = plan.security;
      const allowed = (authorization.spec.rules ?? []).map(({ from, to }) => ({
        principals: from.flatMap(({ source }) => source.principals),
        methods: to?.flatMap(({ operation }) => operation.methods ?? []) ?? [],
        paths: to?.flatMap(({ operation }) => operation.paths ?? []) ?? [],
      }));
      expect(allowed).toEqual(
        allow.map(({ callers, methods = [], paths = [] }) => ({
          principals: callers.map(({ namespace, serviceAccount }) => `${trustDomain}/ns/${namespace}/sa/${serviceAccount}`),
          methods,
          paths: paths.map((path) => ('prefix' in path ? `${path.prefix}*` : 'exact' in path ? path.exact : undefined)),
        })),
      );
    }));

  it('never has a wildcard where the plan has none: only a prefix ends in one', () =>
    holds((plan) => {
      const { authorization } = rendered(plan);
      const prefixes = new Set(
        plan.security?.allow.flatMap(({ paths = [] }) => paths.flatMap((path) => ('prefix' in path ? [path.prefix] : []))),
      );
      for (const { from, to = [] } of authorization?.spec.rules ?? []) {
        const operations = to.map(({ operation }) => operation);
        const texts = [...from.flatMap(({ source }) => source.principals), ...operations.flatMap(({ methods = [] }) => methods)];
        expect(texts.filter((text) => /[*{}]/.test(text))).toEqual([]);
        const patterns = operations.flatMap(({ paths = [] }) => paths).filter((path) => /[*{}]/.test(path));
        for (const pattern of patterns) expect(prefixes.has(pattern.slice(0, -1)) && pattern.endsWith('*')).toBe(true);
      }
    }));

  it('allows nobody by a list of no rules, beside which nobody else has any; one with an empty rule would allow everybody', () => {
    for (const stage of ['strict', 'shadow'] as const)
      expect(rendered(planWith(stage)).authorization?.spec).toEqual({
        selector: { matchLabels: { app: 'catalog' } },
        action: 'ALLOW',
        rules: [],
      });
  });

  it('refuses what it would allow more by: letters that Istio reads as wildcards, and expressions', () => {
    for (const rule of [
      { ...web, methods: ['*'] },
      { ...web, paths: [{ exact: '/admin*' }] },
      { ...web, paths: [{ exact: '/{*}/admin' }] },
      { ...web, paths: [{ prefix: '/{**}' }] },
    ])
      expect(refusals(planWith('strict', rule))).toEqual(['WildcardInAllow']);
    const expression = planWith('strict', { ...web, paths: [{ regex: '/a.*' }] });
    expect(refusals(expression)).toEqual(['PathExpressionInAllow']);
    // Written out it would be a prefix; written without it, the rule would allow every path.
    expect(() => renderIstio(expression)).toThrow(RangeError);
  });

  it('refuses a policy that would hold for all workloads of the namespace', () => {
    const plan = { ...planWith('strict', web), telemetry: { accessLog: 'all', tracing: { percent: 5 } } } as const;
    expect(refusals(plan)).toEqual([]);
    expect(refusals({ ...plan, selector: {} })).toEqual(['NoSelector', 'NoSelector', 'NoSelector']);
  });

  it('refuses a policy in the root namespace, where it would hold in all others too', () => {
    const plan = { ...planWith('strict', web), namespace: 'aks-istio-system' };
    const codes = (rootNamespace: string) =>
      judge(plan, istioFidelityIn(rootNamespace))
        .filter(isRefusal)
        .map(({ where, judgement }) => `${where}: ${judgement.code}`);
    expect(codes('istio-system')).toEqual([]);
    expect(codes('aks-istio-system')).toEqual(['mtls: PolicyInRootNamespace']);
  });
});
