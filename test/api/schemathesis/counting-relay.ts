/** Stands before the host and counts what it answers, so that the numbers are not those of who asks. */
import { once } from 'node:events';
import { createServer, request } from 'node:http';

export interface CountingRelay {
  readonly url: string;
  /** How many answers of each status there were. */
  readonly answers: ReadonlyMap<number, number>;
  /** Of the first answers that say the host has failed: what was asked, and what was answered. */
  readonly failures: readonly string[];
  stop(): void;
}

const MOST_SHOWN = 20;

export async function countingRelay(port: number): Promise<CountingRelay> {
  const answers = new Map<number, number>();
  const failures: string[] = [];
  const server = createServer((asked, answer) => {
    const chunks: Buffer[] = [];
    asked.on('data', (chunk: Buffer) => chunks.push(chunk));
    const onward = request(
      { host: '127.0.0.1', port, method: asked.method, path: asked.url, headers: { ...asked.headers, host: `127.0.0.1:${port}` } },
      (answered) => {
        const status = answered.statusCode ?? 0;
        answers.set(status, (answers.get(status) ?? 0) + 1);
        answer.writeHead(status, answered.headers);
        if (status >= 500 && failures.length < MOST_SHOWN) {
          answered.on('data', (chunk: Buffer) =>
            failures.push(`${asked.method} ${asked.url} ${Buffer.concat(chunks)} -> ${status} ${chunk}`),
          );
        }
        answered.pipe(answer);
      },
    );
    onward.on('error', (error) => {
      failures.push(`${asked.method} ${asked.url} ${Buffer.concat(chunks)} -> no answer: ${error.message}`);
      answer.destroy();
    });
    asked.pipe(onward);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const at = server.address();
  return {
    url: `http://127.0.0.1:${typeof at === 'object' && at ? at.port : 0}`,
    answers,
    failures,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}
