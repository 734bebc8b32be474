/**
 * Leafs from the shipped functions, over HTTP: an operator's join token, the shipped agent by the command line, what comes in wrong, and the process
 * that issues killed under an agent's feet.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readLeaf } from '../../src/agent/identity-files.ts';
import { makeKey } from '../../src/agent/signing-request.ts';
import { DIST, type Installation, installation } from './installation.ts';
import { until } from './until.ts';

const MESH = `apiVersion: meshwright.dev/v1
kind: Mesh
name: shop
trustDomain: shop.example
dataPlanes: [{ name: edge, kind: envoy }]
certificates: { leafLife: 20s, issuerLife: 1h, rootLife: 1d, attest: [join] }
`;
const CLI = join(DIST, 'cli', 'main.js');
const stateSchema = z.looseObject({ reason: z.string(), status: z.number(), detail: z.string() });

let mesh: Installation;
let folder: string;

beforeAll(async () => {
  mesh = await installation();
  folder = mesh.directory.path;
  await mesh.start('functions');
  const applied = await mesh.call('POST', '/apply', { files: [{ path: 'mesh.yaml', text: MESH }] });
  expect(applied).toMatchObject({ status: 200 });
  await until('the first root is made', async () => (await ask('mwr_nobody')).body.reason !== 'NotEstablished');
});
afterAll(() => mesh?.stop());

async function ask(secret: string, more: object = {}) {
  const body = { csr: (await makeKey()).request(), node: 'web-1', token: { kind: 'renewal', value: secret }, ...more };
  const answer = await mesh.call('POST', '/meshes/shop/certificates', body, { authorization: '' });
  return { ...answer, body: stateSchema.parse(answer.body) };
}

const environment = () => ({ MESHWRIGHT_URL: `http://127.0.0.1:${mesh.ports.functions}`, MESHWRIGHT_TOKEN: mesh.token });

async function cli(...args: string[]) {
  const child = spawn(process.execPath, [CLI, ...args], { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, out, err };
}

const agentArgs = (node: string, token: string) => [
  ...['agent', '--mesh', 'shop', '--data-plane', 'edge', '--node', node],
  ...['--identity', join(folder, node), '--join-token', token],
];

describe('the shipped functions and the shipped agent', () => {
  it('bring a workload into the mesh by a join token that an operator has made, and renew its leaf after they were killed', {
    timeout: 120_000,
  }, async () => {
    const made = await cli('join-token', 'shop/web', '--mesh', 'shop');
    expect(made).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^mwj_[\w-]{43}\n$/),
      err: expect.stringContaining('works once, for shop/web'),
    });
    const file = join(folder, 'web-1.join');
    await writeFile(file, made.out);
    const once = await cli(...agentArgs('web-1', file), '--once');
    expect(once).toMatchObject({ code: 0, out: expect.stringContaining('LeafReceived') });
    const first = await readLeaf(join(folder, 'web-1'));
    expect((await stat(join(folder, 'web-1', 'default.yaml'))).mode & 0o777).toBe(0o600);

    const agent = spawn(process.execPath, [CLI, ...agentArgs('web-1', file)], { env: environment(), stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await mesh.kill('functions');
      await mesh.start('functions');
      const renewed = async () => (await readLeaf(join(folder, 'web-1')))?.fingerprint !== first?.fingerprint;
      await until('the leaf is another', renewed);
    } finally {
      const ended = Promise.all([text(agent.stdout), new Promise((resolve) => agent.once('close', resolve))]);
      agent.kill('SIGTERM');
      expect((await ended)[0]).toContain('Stopped');
    }
    expect(agent.exitCode).toBe(0);
  });

  it.each([
    ['a token that nobody gave', 401, 'TokenUnknown', {}],
    ['no token', 400, 'NotALeafRequest', { token: undefined }],
    ['a token of a kind that the spec does not name', 401, 'TokenIssuerUnknown', { token: { kind: 'entra', value: unsigned() } }],
    ['a request that is none', 400, 'NotASigningRequest', { csr: 'please' }],
    ['more than there is to say', 400, 'NotALeafRequest', { admin: true }],
    ['too much', 413, 'TooLarge', { csr: 'x'.repeat(100_000) }],
  ])('refuse %s as %i, with the reason', async (_what, status, reason, more) => {
    const answer = await ask('mwr_nobody', more);
    expect(answer).toMatchObject({ status, contentType: 'application/problem+json', body: { reason, status } });
    expect(answer.body.detail).toMatch(/\.$/);
  });

  it('give nothing to meshes that are not there, and join tokens to operators alone', async () => {
    expect(await mesh.call('POST', '/meshes/elsewhere/join-tokens', { namespace: 'shop', serviceAccount: 'web' })).toMatchObject({
      status: 404,
    });
    const stranger = await mesh.call(
      'POST',
      '/meshes/shop/join-tokens',
      { namespace: 'shop', serviceAccount: 'web' },
      { authorization: '' },
    );
    expect(stranger).toMatchObject({ status: 401 });
    expect(await mesh.call('POST', '/meshes/shop/join-tokens', { namespace: 'shop' })).toMatchObject({ status: 400 });
  });
});

function unsigned(): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part({ iss: 'https://elsewhere.example' })}.${part({})}`;
}
