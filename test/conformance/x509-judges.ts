/**
 * Judges of certificate chains that are none of ours: OpenSSL's `verify -x509_strict`, Go's crypto/x509 and go-spiffe (`x509-judge/`, which
 * `go build` makes anew; Go keeps what it compiled). Without them their tests are skipped, by name; where `CI=true` that is a failure.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { Chain } from '../trust/x509/chains.ts';

const run = promisify(execFile);

/** By chain, in order: what it was refused with; empty where it was accepted. */
export type Verdicts = readonly string[];

/** False, with a line on stderr, where `command` is not to be had; throws where `CI=true`. */
export async function haveCommand(command: string, argv: readonly string[], howToGet: string): Promise<boolean> {
  try {
    await run(command, [...argv]);
    return true;
  } catch (error) {
    const message = `${command} is needed to judge certificates (${error instanceof Error ? error.message.split('\n')[0] : error}); ${howToGet}`;
    if (process.env.CI === 'true') throw new Error(message);
    process.stderr.write(`Skipped: ${message}\n`);
    return false;
  }
}

/** As a server's and as a client's certificate, both. */
export async function judgeByOpenssl(chains: readonly Chain[]): Promise<Verdicts> {
  const folder = await mkdtemp(join(tmpdir(), 'meshwright-openssl-'));
  try {
    const verdicts: string[] = [];
    for (const chain of chains) {
      const server = await opensslVerdict(folder, chain, 'sslserver');
      verdicts.push(server || (await opensslVerdict(folder, chain, 'sslclient')));
    }
    return verdicts;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function opensslVerdict(folder: string, { leaf, intermediates, roots, now }: Chain, purpose: string): Promise<string> {
  const [leafFile, between, trusted] = ['leaf.pem', 'between.pem', 'roots.pem'].map((name) => join(folder, name));
  if (leafFile === undefined || between === undefined || trusted === undefined) throw new Error('There are three files.');
  await writeFile(leafFile, leaf);
  await writeFile(between, intermediates.join(''));
  await writeFile(trusted, roots.join(''));
  const untrusted = intermediates.length > 0 ? ['-untrusted', between] : [];
  // Nothing of the machine's own trust.
  const alone = ['-no-CApath', '-no-CAstore', '-CAfile', trusted];
  const argv = [
    'verify',
    '-x509_strict',
    '-purpose',
    purpose,
    '-attime',
    String(Math.floor(now / 1_000)),
    ...alone,
    ...untrusted,
    leafFile,
  ];
  try {
    await run('openssl', argv);
    return '';
  } catch (error) {
    const words = z.object({ code: z.literal(2), stderr: z.string() }).safeParse(error);
    // Anything else is no verdict: a command line that it does not take must not pass for a refusal.
    if (!words.success || !/error \d+ at \d+ depth lookup/.test(words.data.stderr)) throw error;
    return words.data.stderr;
  }
}

/** PEM. `newKey`: what `openssl req -newkey` takes. */
export async function requestByOpenssl(newKey: readonly string[], uri: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'meshwright-openssl-'));
  try {
    const argv = ['req', '-new', '-newkey', ...newKey, '-nodes', '-keyout', join(folder, 'key.pem'), '-subj', '/CN=web'];
    const { stdout } = await run('openssl', [...argv, '-addext', `subjectAltName=URI:${uri}`]);
    return stdout;
  } finally {
    await rm(folder, { recursive: true });
  }
}

const verdictsSchema = z.array(z.object({ go: z.string(), spiffe: z.string() }));

/** `crypto/x509` for servers and for clients, and go-spiffe for the SPIFFE ID. */
export async function judgeByGo(chains: readonly Chain[]): Promise<{ readonly go: Verdicts; readonly spiffe: Verdicts }> {
  const folder = await mkdtemp(join(tmpdir(), 'meshwright-x509-judge-'));
  try {
    const judge = join(folder, 'judge');
    const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-p=2 -buildvcs=false' };
    await run('go', ['build', '-o', judge, '.'], { cwd: join(import.meta.dirname, 'x509-judge'), env });
    const child = spawn(judge, { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(child, 'close');
    child.stdin.end(JSON.stringify(chains));
    const answer = await text(child.stdout);
    await ended;
    const verdicts = verdictsSchema.length(chains.length).parse(JSON.parse(answer));
    return { go: verdicts.map(({ go }) => go), spiffe: verdicts.map(({ spiffe }) => spiffe) };
  } finally {
    await rm(folder, { recursive: true });
  }
}
