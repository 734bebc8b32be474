/** Starts the Cosmos DB stand-in (what it is and cannot do: src/main.rs) for one test file, on a free port of 127.0.0.1. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { buildCosmosEmulator } from './build.ts';

export interface CosmosEmulator {
  /** Where it listens, such as `http://127.0.0.1:43210/`; it takes any key. */
  readonly endpoint: string;
  readonly stop: () => Promise<void>;
}

/** Builds it first if need be, so allow minutes. @throws when it ends before it says where it listens. */
export async function startCosmosEmulator(): Promise<CosmosEmulator> {
  const process = spawn(await buildCosmosEmulator(), { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(process, 'exit');
  for await (const line of createInterface({ input: process.stdout })) {
    const endpoint = /^listening on (.+)$/.exec(line)?.[1];
    if (endpoint !== undefined) {
      const stop = async () => {
        process.stdin.end();
        await exited;
      };
      return { endpoint, stop };
    }
  }
  throw new Error(`the Cosmos DB stand-in ended (${(await exited).join(' ')}) before it listened`);
}
