/**
 * The page as it is served: one document without a file beside it, so that it works from the bundle, from source and without
 * a network. Its policy lets run only the one script and the one style it was made with, and lets it ask only its own server.
 */
import { createHash } from 'node:crypto';
import { DEADLINE_WORDS, span } from '../notifications/standing-words.ts';
import { BROWSER_FUNCTIONS, poll } from './browser.ts';
import { beginSignIn, endSignIn, SIGN_IN_FUNCTIONS, type SignIn } from './sign-in.ts';
import { STYLE } from './style.ts';
import { drawTrusts, TRUST_FUNCTIONS } from './trust-view.ts';

export interface ServedPage {
  readonly status: 200;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

let served: { readonly signIn: SignIn | undefined; readonly page: ServedPage } | undefined;

/** The same for every request; it holds no data. Without `signIn` the overview is asked for as nobody. */
export function page(signIn?: SignIn): ServedPage {
  if (!served || served.signIn !== signIn) served = { signIn, page: { status: 200, headers: headers(signIn), body: html(signIn) } };
  return served.page;
}

/** Bundlers rename functions where names meet, and all uses of them with it: so the one use in this text follows. */
const start = (signIn: SignIn | undefined): string => `
const signIn = ${JSON.stringify(signIn ?? null).replaceAll('<', '\\u003c')};
let token;
let troubled;
async function ask() {
  if (troubled) throw troubled;
  if (signIn && !token) throw new Error('sign in to see what you may.');
  let response;
  try {
    const headers = token ? { authorization: 'Bearer ' + token } : {};
    response = await fetch('overview', { headers, signal: AbortSignal.timeout(10000), cache: 'no-store' });
  } catch {
    throw new Error('the server does not answer.');
  }
  if (response.status === 403) throw new Error((await response.json()).detail);
  if (!response.ok) throw new Error('the server answers ' + response.status + (signIn ? '; sign in again.' : '.'));
  return response.json();
}
async function enter() {
  const browser = {
    address: location.origin + location.pathname,
    fragment: location.hash,
    memory: sessionStorage,
    random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    sha256: (text) => crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)),
    go: (address) => location.assign(address),
    post: async (address, body) => (await fetch(address, { method: 'POST', body })).json(),
  };
  document.getElementById('sign-in').addEventListener('click', () => ${beginSignIn.name}(signIn, browser));
  try {
    const entered = await ${endSignIn.name}(signIn, browser);
    if (!entered) return;
    token = entered.token;
    history.replaceState(null, '', location.pathname + entered.fragment);
  } catch (error) {
    troubled = error;
  }
}
(signIn ? enter() : Promise.resolve()).then(() =>
  ${poll.name}({
    page: document,
    words: { deadlines: ${JSON.stringify(DEADLINE_WORDS)}, span: ${span} },
    drawTrusts: ${drawTrusts.name},
    ask,
    later: (next) => setTimeout(next, 1000),
    anchor: location.hash,
  }),
);
`;

const script = (signIn: SignIn | undefined): string =>
  `'use strict';\n${[...BROWSER_FUNCTIONS, ...TRUST_FUNCTIONS, ...SIGN_IN_FUNCTIONS].join('\n')}\n${start(signIn)}`;

function html(signIn: SignIn | undefined): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>meshwright</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>meshwright</h1><div id="connection" role="status"></div><div id="as-of"></div>${signIn ? '<button id="sign-in" type="button">Sign in</button>' : ''}</header>
<main>
<div id="services"></div>
<div id="trust"></div>
<h2>Journal</h2>
<div id="journal" class="journal" role="region" aria-label="Journal, newest first" tabindex="0"></div>
<noscript><p>This page needs JavaScript; without it there is: meshwright status --watch</p></noscript>
</main>
<script>${script(signIn)}</script>
</body>
</html>
`;
}

function headers(signIn: SignIn | undefined): Record<string, string> {
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(script(signIn))}`,
    `style-src ${hashOf(STYLE)}`,
    `connect-src 'self'${signIn ? ` ${new URL(signIn.token).origin}` : ''}`,
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
