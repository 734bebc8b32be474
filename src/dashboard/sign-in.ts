/**
 * Signing in to Entra ID from the page: the authorization code flow with PKCE (RFC 6749 4.1, RFC 7636), which needs no secret. The token stays in the
 * memory of the page. Runs in the browser as the functions of `browser.ts` do: nothing imported and no constant of this module.
 */

/** Where somebody signs in, and to what. */
export interface SignIn {
  readonly authorize: string;
  readonly token: string;
  readonly clientId: string;
}

/** What is used of the browser. */
export interface Browser {
  /** Of the page, with nothing after its path. */
  readonly address: string;
  /** With its `#`. */
  readonly fragment: string;
  readonly memory: { getItem(name: string): string | null; setItem(name: string, value: string): void; removeItem(name: string): void };
  readonly random: (bytes: number) => Uint8Array;
  readonly sha256: (text: string) => Promise<ArrayBuffer>;
  readonly go: (address: string) => void;
  readonly post: (address: string, form: URLSearchParams) => Promise<{ readonly access_token?: string }>;
}

export async function beginSignIn(signIn: SignIn, browser: Browser): Promise<void> {
  const verifier = base64Url(browser.random(32));
  const state = base64Url(browser.random(16));
  browser.memory.setItem('sign-in', JSON.stringify({ verifier, state, fragment: browser.fragment }));
  const asked = new URLSearchParams({
    client_id: signIn.clientId,
    response_type: 'code',
    response_mode: 'fragment',
    redirect_uri: browser.address,
    scope: `${signIn.clientId}/.default`,
    state,
    code_challenge: base64Url(new Uint8Array(await browser.sha256(verifier))),
    code_challenge_method: 'S256',
  });
  browser.go(`${signIn.authorize}?${asked}`);
}

/**
 * With `fragment`: what the address ended with before. `undefined`: nobody comes back from signing in, or from one that this tab did not
 * begin. Rejects with a sentence where it came to nothing.
 */
export async function endSignIn(
  signIn: SignIn,
  browser: Browser,
): Promise<{ readonly token: string; readonly fragment: string } | undefined> {
  const came = new URLSearchParams(browser.fragment.slice(1));
  const begun = JSON.parse(browser.memory.getItem('sign-in') ?? '{}');
  if (!came.has('state') || came.get('state') !== begun.state) return undefined;
  browser.memory.removeItem('sign-in');
  const code = came.get('code');
  if (code === null) throw new Error(`Entra ID let nobody in (${came.get('error')}).`);
  const form = new URLSearchParams({
    client_id: signIn.clientId,
    grant_type: 'authorization_code',
    code,
    redirect_uri: browser.address,
    code_verifier: begun.verifier,
  });
  const { access_token: token } = await browser.post(signIn.token, form);
  if (token === undefined) throw new Error('Entra ID gave no token.');
  return { token, fragment: begun.fragment };
}

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

export const SIGN_IN_FUNCTIONS: readonly { (...parts: never[]): unknown; readonly name: string }[] = [beginSignIn, endSignIn, base64Url];
