/**
 * The command line at an installation that takes tokens of Entra ID: it asks the Azure CLI for one. That one is stood in for by a script
 * which says what `az account get-access-token` says; the library that calls it is the real one.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Callers, startCallers } from './callers.ts';
import { DIST, type Installation, installation } from './installation.ts';

const AUDIENCE = 'api://meshwright';

let mesh: Installation;
let callers: Callers;
let bin: string;

beforeAll(async () => {
  [mesh, callers] = await Promise.all([installation(), startCallers()]);
  await mesh.start('functions', callers.settings);
  bin = join(mesh.directory.path, 'bin');
  await mkdir(bin);
  // Also what the Azure Developer CLI is called: the real one may be on this machine.
  for (const name of ['az', 'azd']) await writeFile(join(bin, name), SCRIPT, { mode: 0o755 });
});
afterAll(() => Promise.all([mesh?.stop(), callers?.stop()]));
beforeEach(() => Promise.all(['token', 'asked'].map((name) => rm(join(bin, name), { force: true }))));

/** What it is asked goes to `asked`, one line each; without a file `token` nobody is signed in. */
const SCRIPT = `#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/asked"
if [ ! -f "$here/token" ]; then echo "Please run 'az login' to setup account." >&2; exit 1; fi
cat "$here/token"
`;

async function signIn(role: string): Promise<void> {
  const accessToken = await callers.tokenWith([role]);
  const expires_on = Math.floor(Date.now() / 1_000) + 3_600;
  await writeFile(join(bin, 'token'), JSON.stringify({ accessToken, expires_on, tokenType: 'Bearer' }));
}

async function cli(args: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const environment = { PATH: `${bin}:/usr/bin:/bin`, MESHWRIGHT_URL: `http://127.0.0.1:${mesh.ports.functions}`, ...more };
  const child = spawn(process.execPath, [join(DIST, 'cli', 'main.js'), ...args], {
    env: environment,
    cwd: bin,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, out, err };
}
const asked = () => readFile(join(bin, 'asked'), 'utf8');

describe('the command line, signed in to Azure', () => {
  it('asks for a token for the audience that is named, and is who that says', async () => {
    await signIn('Reader');
    expect(await cli(['--audience', AUDIENCE, 'parked'])).toEqual({ code: 0, out: 'Nothing is parked.\n', err: '' });
    expect(await asked()).toMatch(/^account get-access-token .*--resource api:\/\/meshwright\b/);
  });

  it('is told which role it lacks', async () => {
    await signIn('Reader:shop');
    const refused = await cli(['parked'], { MESHWRIGHT_AUDIENCE: AUDIENCE });
    expect(refused).toMatchObject({
      code: 1,
      err: expect.stringMatching(/This needs the app role Reader; have it assigned under "Users and groups"/),
    });
  });

  it('says how to sign in where nobody is', async () => {
    const refused = await cli(['--audience', AUDIENCE, 'status']);
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toMatch(/^Entra ID gave no token for api:\/\/meshwright: sign in with "az login"/);
  });

  it('asks nobody for a token where one is given, and sends none where no audience is named', async () => {
    await signIn('Reader');
    const given = await callers.tokenWith(['Reader']);
    expect(await cli(['--audience', AUDIENCE, 'parked'], { MESHWRIGHT_TOKEN: given })).toMatchObject({ code: 0 });
    expect(await cli(['parked'])).toMatchObject({ code: 1, err: expect.stringMatching(/Authorization: Bearer/) });
    await expect(asked()).rejects.toThrow('ENOENT');
  });
});
