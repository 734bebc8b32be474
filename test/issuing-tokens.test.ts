/** By which tokens workloads come: those of an issuer again and again and each from one node, those of an operator once. */
import { describe, expect, it } from 'vitest';
import { leafsIssued } from './issued.ts';
import {
  accountToken,
  DAY,
  digest,
  joinToken,
  lately,
  MINUTE,
  principalToken,
  request,
  type Shop,
  START,
  shop,
  spiffe,
  web,
} from './issuing-shop.ts';
import { MESH } from './trust/issuing-mesh.ts';

describe('a token of an issuer', () => {
  const come = async (mesh: Shop, value: string, node: string, kind: 'kubernetes' | 'entra' = 'kubernetes', uri?: string) =>
    mesh.issuing.issue(MESH, { ...(await request({ kind, value }, uri)), node });
  const podToken = (mesh: Shop, uid: string) => accountToken(mesh, { 'kubernetes.io': { pod: { name: 'web', uid } } });
  const gateway = spiffe('ns/edge/sa/gateway');

  it('is used by its node again and again, and by no other: not even by many who come at once', async () => {
    const mesh = await shop();
    const token = await accountToken(mesh);
    const nodes = ['web-1', 'web-2', 'web-3'];
    const answers = await Promise.all(nodes.map((node) => come(mesh, token, node)));
    const [first, ...others] = answers.flatMap(({ kind }, index) => (kind === 'issued' ? [nodes[index] ?? ''] : []));
    if (first === undefined) throw new Error('nobody came in');
    expect(others).toEqual([]);
    expect(await come(mesh, token, first)).toMatchObject({ kind: 'issued' });
    expect(await come(mesh, token, 'web-4')).toMatchObject({ reason: 'NodeNotTheSame' });
    expect((await leafsIssued(mesh.documents, MESH, lately(mesh))).map(({ node }) => node)).toEqual([first, first]);
  });

  it('that was projected into a pod is that pod’s: no other token of the pod is good for another node', async () => {
    const mesh = await shop();
    expect(await come(mesh, await podToken(mesh, '1'), 'web-1')).toMatchObject({ kind: 'issued' });
    mesh.clock.now += 8 * MINUTE;
    expect(await come(mesh, await podToken(mesh, '1'), 'web-1')).toMatchObject({ kind: 'issued' });
    mesh.clock.now += 8 * MINUTE;
    expect(await come(mesh, await podToken(mesh, '1'), 'web-2')).toMatchObject({ reason: 'NodeNotTheSame' });
    expect(await come(mesh, await podToken(mesh, '2'), 'web-2')).toMatchObject({ kind: 'issued' });
    // The last of the first node's has ended: 10 minutes, and 5 that clocks may be apart.
    mesh.clock.now += 7 * MINUTE;
    expect(await come(mesh, await podToken(mesh, '1'), 'web-3')).toMatchObject({ kind: 'issued' });
  });

  it('of a principal with several identities has a node for each', async () => {
    const mesh = await shop();
    const token = await principalToken(mesh);
    expect(await come(mesh, token, 'gateway-1', 'entra', gateway)).toMatchObject({ kind: 'issued' });
    expect(await come(mesh, token, 'other-1', 'entra', spiffe('ns/edge/sa/other'))).toMatchObject({ kind: 'issued' });
    expect(await come(mesh, token, 'gateway-2', 'entra', gateway)).toMatchObject({ reason: 'NodeNotTheSame' });
    expect(await come(mesh, await principalToken(mesh, 'second'), 'gateway-2', 'entra', gateway)).toMatchObject({ kind: 'issued' });
  });

  it('is no node’s by a request that is refused, and is in the store as a digest', async () => {
    const mesh = await shop();
    const token = await podToken(mesh, '1');
    expect(await come(mesh, token, 'web-2', 'kubernetes', spiffe('ns/shop/sa/payment'))).toMatchObject({ reason: 'ForeignIdentity' });
    expect(await come(mesh, token, 'web-1')).toMatchObject({ kind: 'issued' });
    const stored = await mesh.documents.list({ partition: `tokens/${MESH}`, kind: 'shown-token' });
    expect(stored.map(({ document }) => [document.body, document.expiresAt])).toEqual([
      [{ node: 'web-1', endsAt: START + 15 * MINUTE }, START + 15 * MINUTE],
    ]);
    expect(JSON.stringify(stored)).not.toContain(token.slice(0, 40));
  });
});

describe('a join token', () => {
  const join = async (mesh: Shop, value: string, secret: string, node = 'web-1') =>
    mesh.issuing.issue(MESH, { ...(await request({ kind: 'join', value, renewal: digest(secret) })), node });
  const renew = async (mesh: Shop, secret: string, node = 'web-1') =>
    mesh.issuing.issue(MESH, { ...(await request({ kind: 'renewal', value: secret })), node });

  it('works once; who joined comes again with the secret of which it told the digest', async () => {
    const mesh = await shop();
    const token = await joinToken(mesh);
    expect(await join(mesh, token, 'secret')).toMatchObject({ kind: 'issued' });
    expect(await join(mesh, token, 'another')).toMatchObject({ reason: 'JoinTokenUsed' });
    expect(await renew(mesh, 'secret')).toMatchObject({ kind: 'issued' });
    expect(await renew(mesh, 'another')).toMatchObject({ reason: 'TokenUnknown' });
    expect(await renew(mesh, 'secret', 'web-2')).toMatchObject({ reason: 'NodeNotTheSame' });
    expect((await leafsIssued(mesh.documents, MESH, lately(mesh))).map(({ identity }) => identity)).toEqual([
      spiffe('ns/shop/sa/web'),
      spiffe('ns/shop/sa/web'),
    ]);
  });

  it('lets one in of many who show it at once', async () => {
    const mesh = await shop();
    const token = await joinToken(mesh);
    const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => join(mesh, token, `secret-${index}`, `web-${index}`)));
    expect(answers.filter(({ kind }) => kind === 'issued')).toHaveLength(1);
  });

  it('is not used up by a request that is refused', async () => {
    const mesh = await shop();
    const token = await joinToken(mesh);
    const foreign = await request({ kind: 'join', value: token, renewal: digest('secret') }, spiffe('ns/shop/sa/payment'));
    expect(await mesh.issuing.issue(MESH, foreign)).toMatchObject({ reason: 'ForeignIdentity' });
    expect(await join(mesh, token, 'secret')).toMatchObject({ kind: 'issued' });
  });

  it('keeps a place for 30 days from when its workload came last, whatever root is in force', async () => {
    const mesh = await shop();
    await join(mesh, await joinToken(mesh), 'secret');
    mesh.clock.now += 5 * DAY;
    expect(await renew(mesh, 'secret')).toMatchObject({ kind: 'issued' });
    for (let week = 1; week <= 4; week += 1) {
      mesh.clock.now += 7 * DAY - 2 * MINUTE;
      await mesh.renewIssuer(`issuer-${week}`);
    }
    expect(await renew(mesh, 'secret')).toMatchObject({ kind: 'issued' });
    for (let week = 5; week <= 9; week += 1) {
      mesh.clock.now += 7 * DAY - 2 * MINUTE;
      await mesh.renewIssuer(`issuer-${week}`);
    }
    expect(await renew(mesh, 'secret')).toMatchObject({ reason: 'TokenExpired' });
    expect(await join(mesh, await joinToken(mesh), 'secret')).toMatchObject({ kind: 'issued' });
    expect(await renew(mesh, 'secret')).toMatchObject({ kind: 'issued' });
  });

  it('cannot take a secret that is somebody else’s', async () => {
    const mesh = await shop();
    await join(mesh, await joinToken(mesh), 'secret');
    const other = await joinToken(mesh, 60 * MINUTE, { ...web, serviceAccount: 'cart' });
    expect(await join(mesh, other, 'secret')).toMatchObject({ reason: 'TokenMalformed' });
    expect(await join(mesh, other, 'secret of its own')).toMatchObject({ kind: 'issued' });
  });

  it('lets a workload in again whose node has another name now, with the secret that it has', async () => {
    const mesh = await shop();
    await join(mesh, await joinToken(mesh), 'secret');
    expect(await renew(mesh, 'secret', 'renamed')).toMatchObject({ reason: 'NodeNotTheSame' });
    const token = await joinToken(mesh);
    expect(await join(mesh, token, 'secret', 'renamed')).toMatchObject({ kind: 'issued' });
    expect(await renew(mesh, 'secret', 'renamed')).toMatchObject({ kind: 'issued' });
    expect(await renew(mesh, 'secret')).toMatchObject({ reason: 'NodeNotTheSame' });
    expect(await join(mesh, token, 'secret')).toMatchObject({ reason: 'JoinTokenUsed' });
  });

  it('of two that come at once with one secret uses up both, and one of the nodes comes again', async () => {
    const mesh = await shop();
    const tokens = [await joinToken(mesh), await joinToken(mesh)];
    const answers = await Promise.all(tokens.map((token, index) => join(mesh, token, 'secret', `web-${index}`)));
    expect(answers.map(({ kind }) => kind)).toEqual(['issued', 'issued']);
    const again = await Promise.all([0, 1].map((index) => renew(mesh, 'secret', `web-${index}`)));
    expect(again.filter(({ kind }) => kind === 'issued')).toHaveLength(1);
  });

  it('is in the store as its digest alone', async () => {
    const mesh = await shop();
    const token = await joinToken(mesh);
    await join(mesh, token, 'the secret of web-1');
    const stored = JSON.stringify([
      ...(await mesh.documents.list({ partition: `tokens/${MESH}`, kind: 'join' })),
      ...(await mesh.documents.list({ partition: `tokens/${MESH}`, kind: 'renewal' })),
    ]);
    expect(stored).toContain(digest(token));
    expect(stored).not.toContain(token.slice(4));
    expect(stored).not.toContain('the secret');
  });
});
