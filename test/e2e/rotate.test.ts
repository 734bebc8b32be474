/** Certificates from the command line against the shipped functions: what there is, what a rotation would do, one in front of one's eyes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DIST, type Installation, installation } from './installation.ts';
import { until } from './until.ts';

const MESH = `apiVersion: meshwright.dev/v1
kind: Mesh
name: shop
trustDomain: shop.example
dataPlanes: [{ name: edge, kind: envoy }]
certificates: { leafLife: 10s, issuerLife: 1h, rootLife: 1d, attest: [join] }
`;
const CLI = join(DIST, 'cli', 'main.js');
let mesh: Installation;

async function cli(...args: string[]) {
  const environment = { MESHWRIGHT_URL: `http://127.0.0.1:${mesh.ports.functions}`, MESHWRIGHT_TOKEN: mesh.token };
  const child = spawn(process.execPath, [CLI, ...args, '--mesh', 'shop'], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, out, err };
}

beforeAll(async () => {
  mesh = await installation();
  await mesh.start('functions');
  expect(await mesh.call('POST', '/apply', { files: [{ path: 'mesh.yaml', text: MESH }] })).toMatchObject({ status: 200 });
  await until('the first root is in force', async () => (await cli('certificates')).out.includes('current root'));
});
afterAll(() => mesh?.stop());

describe('Prometheus', () => {
  it('reads when the root ends, and that no rotation is under way', async () => {
    const metrics = await mesh.call('GET', '/metrics');
    expect(metrics).toMatchObject({ status: 200, contentType: 'text/plain; version=0.0.4; charset=utf-8' });
    expect(metrics.body).toMatch(
      /^meshwright_certificate_ends_in_seconds\{mesh="shop",kind="root",role="current",name="shop-root"\} \d+(\.\d+)?$/m,
    );
    expect(metrics.body).toContain('meshwright_rotation_phase{mesh="shop",phase="none"} 1\n');
  });
});

describe('the command line', () => {
  it('says what there is, until when, and what a rotation would write', async () => {
    const { code, out } = await cli('certificates');
    expect(code).toBe(0);
    expect(out).toMatch(/^shop: trust domain shop\.example$/m);
    expect(out).toMatch(/current issuer [0-9a-f]{12} +good +ends in .*, replaced in /);
    const plan = await cli('rotate', '--dry-run');
    expect(plan.code).toBe(0);
    expect(plan.out).toContain('  vault: make-root (new)\n');
    expect(plan.out).toContain('  edge: trust old + new, old signs\n');
    expect(plan.out).toContain('  edge: trust new, new signs\n');
    expect((await cli('certificates')).out).not.toContain('rotation');
  });

  it('says who breaks before a root is taken for compromised, and does nothing without a yes', async () => {
    const refused = await cli('rotate', '--compromised');
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('Nothing is done yet') });
    expect((await cli('certificates')).out).not.toContain('rotation');
  });

  it('rotates in front of one’s eyes, and tells how it ended', { timeout: 120_000 }, async () => {
    const rotated = await cli('rotate', '--reason', 'an exercise');
    expect(rotated).toMatchObject({ code: 0, err: '' });
    for (const phase of ['distributing', 'issuing', 'soaking', 'pruned']) expect(rotated.out).toContain(`\n${phase} `);
    expect(rotated.out).toMatch(/The rotation r\d+ is complete\.\n$/);
  });

  it('takes one back that somebody follows, who is told so', { timeout: 120_000 }, async () => {
    const following = cli('rotate');
    await until('a rotation is under way', async () => (await cli('certificates')).out.includes('rotation r'));
    expect(await cli('rotate', '--no-wait')).toMatchObject({ code: 1, err: expect.stringContaining('one at a time') });
    expect(await cli('rotation', 'abort', '--reason', 'an exercise')).toMatchObject({ code: 0 });
    expect(await following).toMatchObject({ code: 1, err: expect.stringMatching(/The rotation r\d+ went back\./) });
    expect(await cli('rotation', 'abort')).toMatchObject({ code: 1, err: expect.stringContaining('no rotation to abort') });
    expect(await cli('rotation', 'approve')).toMatchObject({ code: 2, err: expect.stringContaining('--gate issuing') });
    expect(await cli('rotation', 'approve', '--gate', 'issuing')).toMatchObject({
      code: 1,
      err: expect.stringContaining('no rotation to approve'),
    });
  });
});
