/**
 * One HTTP POST of JSON. Node's `fetch` would be shorter, and costs this process 20 MB for as long as it lives: it stands
 * beside a thousand streams, and memory is what it is sized by.
 */

export interface Post {
  readonly url: URL;
  readonly token: string;
  readonly body: object;
  /** For all of it. */
  readonly timeoutMs: number;
}

/** Resolves with the status, the body passed over. Rejects when there is no whole answer in time. */
export async function post({ url, token, body, timeoutMs }: Post): Promise<number> {
  const { request } = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    // A connection of its own: one that was idle may be closed by the other side while it is taken up.
    const sent = request(url, { method: 'POST', headers, agent: false, signal: AbortSignal.timeout(timeoutMs) }, (response) => {
      response.on('error', reject);
      response.on('end', () => resolve(response.statusCode ?? 0)).resume();
    });
    sent.on('error', reject).end(JSON.stringify(body));
  });
}
