/** Everything that nobody holds, gone now: for tests of what is kept and what is not. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export async function collectGarbage(): Promise<void> {
  // What a WeakRef gave, or was made of, is held until the turn ends.
  await new Promise<void>((resolve) => setImmediate(resolve));
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}
