/** The page as it is served: one file without data, made by the build, under a policy that runs only its own script. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HttpAnswer } from '../api/problem.ts';

let made: Promise<HttpAnswer> | undefined;

export function page(): Promise<HttpAnswer> {
  made ??= read();
  return made;
}

async function read(): Promise<HttpAnswer> {
  // Beside the bundle of the function that serves it.
  const body = await readFile(join(import.meta.dirname, '../dashboard/page.html'), 'utf8');
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(body, 'script')}'`,
    `style-src '${hashOf(body, 'style')}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  return {
    status: 200,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
    },
    body,
  };
}

/** https://www.w3.org/TR/CSP3/#external-hash: of what stands between the tags, byte for byte. */
function hashOf(html: string, element: 'script' | 'style'): string {
  const content = new RegExp(`<${element}[^>]*>([\\s\\S]*?)</${element}>`).exec(html)?.[1] ?? '';
  return `sha256-${createHash('sha256').update(content).digest('base64')}`;
}
