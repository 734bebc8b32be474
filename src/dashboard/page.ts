/**
 * The page as it is served: one document without a file beside it, so that it works from the bundle, from source and without
 * a network. Its policy lets run only the one script and the one style it was made with, and lets it ask only its own server.
 */
import { createHash } from 'node:crypto';
import { DEADLINE_WORDS, span } from '../notifications/standing-words.ts';
import { BROWSER_FUNCTIONS, poll } from './browser.ts';
import { STYLE } from './style.ts';
import { drawTrusts, TRUST_FUNCTIONS } from './trust-view.ts';

export interface ServedPage {
  readonly status: 200;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

let served: ServedPage | undefined;

/** The same for every request; it holds no data. A `?code=` of its address is handed on to the overview, for Azure's function keys. */
export function page(): ServedPage {
  served ??= { status: 200, headers: headers(), body: html() };
  return served;
}

/** Bundlers rename functions where names meet, and all uses of them with it: so the one use in this text follows. */
const START = `
async function ask() {
  let response;
  try {
    response = await fetch('overview' + location.search, { signal: AbortSignal.timeout(10000), cache: 'no-store' });
  } catch {
    throw new Error('the server does not answer.');
  }
  if (!response.ok) throw new Error('the server answers ' + response.status + '.');
  return response.json();
}
${poll.name}({
  page: document,
  words: { deadlines: ${JSON.stringify(DEADLINE_WORDS)}, span: ${span} },
  drawTrusts: ${drawTrusts.name},
  ask,
  later: (next) => setTimeout(next, 1000),
  anchor: location.hash,
});
`;

const script = (): string => `'use strict';\n${[...BROWSER_FUNCTIONS, ...TRUST_FUNCTIONS].join('\n')}\n${START}`;

function html(): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>meshwright</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>meshwright</h1><div id="connection" role="status"></div><div id="as-of"></div></header>
<main>
<div id="services"></div>
<div id="trust"></div>
<h2>Journal</h2>
<div id="journal" class="journal" role="region" aria-label="Journal, newest first" tabindex="0"></div>
<noscript><p>This page needs JavaScript; without it there is: meshwright status --watch</p></noscript>
</main>
<script>${script()}</script>
</body>
</html>
`;
}

function headers(): Record<string, string> {
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(script())}`,
    `style-src ${hashOf(STYLE)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy.join('; '),
    'cache-control': 'no-cache',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  };
}

const hashOf = (source: string): string => `'sha256-${createHash('sha256').update(source).digest('base64')}'`;
