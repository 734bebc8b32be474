/** What app roles let their holders do, and where. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Caller, type Grant, grantOf, permits, permitsSomewhere, ROLES, type Role, roleText } from '../../src/api/access.ts';

const callerWith = (...values: readonly string[]): Caller => ({
  actor: 'somebody',
  grants: values.map(grantOf).filter((grant): grant is Grant => grant !== undefined),
});

describe('an app role', () => {
  it.each<[string, Grant]>([
    ['Reader', { role: 'Reader' }],
    ['Operator:shop', { role: 'Operator', mesh: 'shop' }],
    ['Admin:shop/payments', { role: 'Admin', mesh: 'shop', team: 'payments' }],
    ['ActionGroupsSecureWebhook', { door: 'alerts' }],
    ['AzureEventGridSecureWebhookSubscriber', { door: 'events' }],
    ['MetricsScraper', { door: 'metrics' }],
    ['Observer', { door: 'observations' }],
  ])('%s grants %o', (value, grant) => {
    expect(grantOf(value)).toEqual(grant);
  });

  it.each([
    '',
    'reader',
    'Owner',
    'Reader:',
    'Reader:shop/',
    'Reader:/payments',
    'Reader:Shop',
    'Reader:*',
    'Reader:shop/payments/x',
    'Reader:shop:payments',
    'Reader:shop/payments:x',
    ' Reader',
    'Observer:shop',
    'constructor',
    '__proto__',
  ])('that is none grants nothing: %o', (value) => {
    expect(grantOf(value)).toBeUndefined();
  });
});

describe('a role', () => {
  const holders: Readonly<Record<Role, readonly Role[]>> = {
    Reader: ['Reader', 'Operator', 'Approver', 'Admin'],
    Operator: ['Operator', 'Admin'],
    Approver: ['Approver'],
    Admin: ['Admin'],
  };
  it.each(ROLES.flatMap((needed) => ROLES.map((held) => [held, needed, holders[needed].includes(held)] as const)))(
    '%s is enough for what needs %s: %s',
    (held, needed, expected) => {
      expect(permits(callerWith(held), { role: needed })).toBe(expected);
    },
  );

  it.each([
    ['Operator', {}, true],
    ['Operator', { mesh: 'shop' }, true],
    ['Operator', { mesh: 'shop', team: 'payments' }, true],
    ['Operator:shop', {}, false],
    ['Operator:shop', { mesh: 'shop' }, true],
    ['Operator:shop', { mesh: 'shop', team: 'payments' }, true],
    ['Operator:shop', { mesh: 'shop2' }, false],
    ['Operator:shop/payments', {}, false],
    ['Operator:shop/payments', { mesh: 'shop' }, false],
    ['Operator:shop/payments', { mesh: 'shop', team: 'payments' }, true],
    ['Operator:shop/payments', { mesh: 'shop', team: 'web' }, false],
    ['Operator:shop/payments', { mesh: 'shop2', team: 'payments' }, false],
    ['Observer', {}, false],
  ])('%s counts in %o: %s', (value, place, expected) => {
    expect(permits(callerWith(value), { role: 'Operator', ...place })).toBe(expected);
  });

  it('of one place and another of another place do not make one of both', () => {
    const caller = callerWith('Operator:shop', 'Reader:bank', 'Approver:shop/web');
    expect(permits(caller, { role: 'Operator', mesh: 'bank' })).toBe(false);
    expect(permits(caller, { role: 'Approver', mesh: 'shop' })).toBe(false);
    expect(permits(caller, { role: 'Approver', mesh: 'shop', team: 'web' })).toBe(true);
    expect(permitsSomewhere(caller, 'Approver')).toBe(true);
    expect(permitsSomewhere(caller, 'Admin')).toBe(false);
  });

  it('lets its holder do no more the narrower it is, and nothing where another mesh or team is meant', () => {
    const name = fc.constantFrom('shop', 'bank', 'web');
    fc.assert(
      fc.property(
        fc.constantFrom(...ROLES),
        name,
        name,
        fc.constantFrom(...ROLES),
        fc.option(name),
        fc.option(name),
        (held, mesh, team, role, inMesh, ofTeam) => {
          const need = { role, ...(inMesh === null ? {} : { mesh: inMesh, ...(ofTeam === null ? {} : { team: ofTeam }) }) };
          const [everywhere, inOne, ofOne] = [held, `${held}:${mesh}`, `${held}:${mesh}/${team}`].map((value) =>
            permits(callerWith(value), need),
          );
          if (ofOne) expect(inOne).toBe(true);
          if (inOne) expect(everywhere).toBe(true);
          if (inMesh !== mesh) expect(inOne).toBe(false);
          if (inMesh !== mesh || ofTeam !== team) expect(ofOne).toBe(false);
          expect(everywhere).toBe(holders[role].includes(held));
        },
      ),
    );
  });

  it('is told as it is written in Entra ID', () => {
    for (const value of ['Admin', 'Operator:shop', 'Reader:shop/payments']) {
      const grant = grantOf(value);
      expect(grant && 'role' in grant && roleText(grant)).toBe(value);
    }
  });
});
