/** The agent as a process: what it writes, what it survives, and what it says when it has no leaf. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readLeaf } from '../../src/agent/identity-files.ts';
import { until } from '../e2e/until.ts';
import { type AgentProcess, type AgentWorld, agentWorld } from './mesh.ts';

let world: AgentWorld | undefined;
afterEach(async () => {
  await world?.stop();
  world = undefined;
});

const LONG_MS = 3_600_000;
const SHORT_MS = 8_000;
const heard = (agent: AgentProcess, event: string) => agent.said.find((each) => each.event === event)?.message;

async function start(leafLifeMs: number): Promise<AgentWorld> {
  world = await agentWorld(leafLifeMs);
  return world;
}

describe('an agent that begins', () => {
  it('comes by its join token and writes leaf, key and roots for Envoy, readable by its owner alone', async () => {
    const here = await start(LONG_MS);
    const agent = await here.agent('web-1', 'web');
    await until('it has a leaf', () => heard(agent, 'LeafReceived'));
    const directory = here.directoryOf('web-1');
    const names = (await readdir(directory)).sort();
    expect(names).toEqual(['bundle.yaml', 'default.yaml', 'renewal-secret']);
    for (const name of names) expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
    const [secret] = JSON.parse(await readFile(join(directory, 'default.yaml'), 'utf8')).resources;
    const leaf = new X509Certificate(secret.tls_certificate.certificate_chain.inline_string);
    expect(leaf.subjectAltName).toBe('URI:spiffe://shop.example/ns/shop/sa/web');
    expect(leaf.checkPrivateKey(createPrivateKey(secret.tls_certificate.private_key.inline_string))).toBe(true);
    const [bundle] = JSON.parse(await readFile(join(directory, 'bundle.yaml'), 'utf8')).resources;
    expect(bundle.validation_context.trusted_ca.inline_string).toBe((await here.mesh.state()).current?.certificate);
  });

  it('until it has a leaf and no longer, where an Envoy is started after it', async () => {
    const here = await start(LONG_MS);
    const agent = await here.agent('web-1', 'web', {}, ['--once']);
    expect(await agent.ended).toBe(0);
    expect(await readLeaf(here.directoryOf('web-1'))).toBeDefined();
  });

  it('uses the leaf that it finds, and comes again by its own secret when that ended', { timeout: 60_000 }, async () => {
    const here = await start(SHORT_MS);
    const first = await here.agent('web-1', 'web');
    await until('it has a leaf', () => heard(first, 'LeafReceived'));
    await first.kill();
    const second = await here.agent('web-1', 'web');
    await until('it has found it', () => heard(second, 'LeafFound'));
    await second.kill();
    const before = await readLeaf(here.directoryOf('web-1'));
    await until('the leaf has ended', () => Date.now() > (before?.notAfter ?? 0));
    const third = await here.agent('web-1', 'web');
    await until('it has another', () => heard(third, 'LeafRenewed'));
    const after = await readLeaf(here.directoryOf('web-1'));
    expect(after?.fingerprint).not.toBe(before?.fingerprint);
  });

  it('comes back by itself when it was away for a whole rotation, and has the new root with the new leaf', {
    timeout: 60_000,
  }, async () => {
    const here = await start(SHORT_MS);
    const first = await here.agent('web-1', 'web');
    await until('it has a leaf', () => heard(first, 'LeafReceived'));
    await first.kill();
    const directory = here.directoryOf('web-1');
    const [before, { current: old }] = [await readLeaf(directory), await here.mesh.state()];
    await here.mesh.rotate();
    const { current, rotation } = await here.mesh.state();
    expect([rotation, current?.fingerprint === old?.fingerprint]).toEqual([undefined, false]);
    await until('its leaf has ended', () => Date.now() > (before?.notAfter ?? 0));
    const second = await here.agent('web-1', 'web');
    await until('it has another', () => heard(second, 'LeafRenewed'));
    expect((await readLeaf(directory))?.issuer).toBe(current?.issuer.fingerprint);
    const [bundle] = JSON.parse(await readFile(join(directory, 'bundle.yaml'), 'utf8')).resources;
    expect(bundle.validation_context.trusted_ca.inline_string).toBe(current?.certificate);
  });

  it('comes back under another name by another join token, with the secret that it has', { timeout: 60_000 }, async () => {
    const here = await start(SHORT_MS);
    const first = await here.agent('web-1', 'web', {}, ['--once']);
    expect(await first.ended).toBe(0);
    const renamed = await here.agent('web-2', 'web', { MESHWRIGHT_IDENTITY_DIRECTORY: here.directoryOf('web-1') });
    await until('it has another', () => heard(renamed, 'LeafRenewed'));
    expect(heard(renamed, 'LeafRefused')).toBeUndefined();
  });

  it('loses no place in the mesh with an answer that was lost: killed at any time, it comes again', { timeout: 60_000 }, async () => {
    const here = await start(LONG_MS);
    let came: AgentProcess | undefined;
    for (let time = 0; !came; time += 1) {
      const agent = await here.agent('web-1', 'web');
      const received = until('it has a leaf', () => heard(agent, 'LeafReceived') ?? heard(agent, 'LeafFound'));
      // Later each time, so that each step of the way is cut somewhere.
      if (time < 6) {
        await Promise.race([received.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, 60 * time))]);
        await agent.kill();
        received.catch(() => undefined);
      } else {
        await received;
        came = agent;
      }
    }
    expect(await readLeaf(here.directoryOf('web-1'))).toBeDefined();
    expect((await readdir(here.directoryOf('web-1'))).sort()).toEqual(['bundle.yaml', 'default.yaml', 'renewal-secret']);
  });

  it.each([
    ['no token', { MESHWRIGHT_JOIN_TOKEN_FILE: '' }, 'name the file of one token'],
    ['a door in plaintext elsewhere', { MESHWRIGHT_URL: 'http://mesh.example' }, 'give an https address'],
    ['half of what a report needs', { MESHWRIGHT_XDS_URL: 'http://127.0.0.1:1' }, 'name all three'],
  ])('is told of %s, and ends with 2', async (_what, settings, said) => {
    const here = await start(LONG_MS);
    const agent = await here.agent('web-1', 'web', settings);
    expect(await agent.ended).toBe(2);
    expect(agent.errors()).toContain(said);
  });
});

describe('an agent at work', () => {
  it('renews its leaf again and again before it ends, and never has a file without the key that goes with it', {
    timeout: 60_000,
  }, async () => {
    const here = await start(SHORT_MS);
    const agent = await here.agent('web-1', 'web');
    const seen = new Map<string, number>();
    await until('it has come four times', async () => {
      const leaf = await readLeaf(here.directoryOf('web-1'));
      if (seen.size > 0) expect(leaf).toBeDefined();
      if (leaf && !seen.has(leaf.fingerprint)) seen.set(leaf.fingerprint, leaf.notAfter);
      return seen.size >= 4;
    });
    expect(agent.said.filter(({ event }) => event === 'LeafRenewed').length).toBeGreaterThanOrEqual(3);
  });

  it('keeps its leaf while nobody answers, says how long that counts, and has another when somebody does', {
    timeout: 60_000,
  }, async () => {
    const here = await start(SHORT_MS);
    const agent = await here.agent('web-1', 'web');
    await until('it has a leaf', () => heard(agent, 'LeafReceived'));
    const before = await readLeaf(here.directoryOf('web-1'));
    here.away = true;
    const said = await until('it says so', () => heard(agent, 'LeafNotRenewed'));
    expect(said).toMatch(/^No new leaf: http:.* gives no answer .*The one in use counts for another \d+ s; asked again in \d+ s\.$/);
    expect(await readLeaf(here.directoryOf('web-1'))).toEqual(before);
    await until('it says that it has ended', () => agent.said.find(({ message }) => message.includes('The last one ended')));
    here.away = false;
    await until('it has another', () => heard(agent, 'LeafRenewed'));
  });

  it('says why it is refused, and comes when people have made another token', { timeout: 60_000 }, async () => {
    const here = await start(LONG_MS);
    const stolen = await here.agent('web-1', 'web', {}, ['--once']);
    await stolen.ended;
    const used = await readFile(join(here.folder, 'web-1', 'join-token'), 'utf8');
    const file = join(here.folder, 'second-token');
    await writeFile(file, used);
    const agent = await here.agent('web-2', 'web', { MESHWRIGHT_JOIN_TOKEN_FILE: file });
    const said = await until('it is refused', () => heard(agent, 'LeafRefused'));
    expect(said).toContain('works once; ask an operator for another one (JoinTokenUsed). There is none yet');
    const order = { identity: { namespace: 'shop', serviceAccount: 'web' }, lifeMs: 600_000, actor: 'test' };
    const made = await here.mesh.issuing.makeJoinToken('shop', order);
    if (made.kind === 'made') await writeFile(file, made.token);
    await until('it has a leaf', () => heard(agent, 'LeafReceived'));
  });

  it('stops when it is told to, and leaves the leaf where it is', async () => {
    const here = await start(LONG_MS);
    const agent = await here.agent('web-1', 'web');
    await until('it has a leaf', () => heard(agent, 'LeafReceived'));
    agent.process.kill('SIGTERM');
    expect(await agent.ended).toBe(0);
    expect(await readLeaf(here.directoryOf('web-1'))).toBeDefined();
  });
});
