/**
 * One process at a time, machine-wide: an exclusive SQLite transaction on a file of its own, which the operating system ends with
 * the process that holds it. A lock file would outlive a killed one.
 */
import { DatabaseSync } from 'node:sqlite';

const LOOK_MS = 300;
const SQLITE_BUSY = 5;

/** Runs `work` while holding the lock of `file`; says `busy` once if another process has it. */
export async function holdingLock<Result>(file: string, busy: () => void, work: () => Promise<Result>): Promise<Result> {
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    let said = false;
    while (!lock(database)) {
      if (!said) busy();
      said = true;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    return await work();
  } finally {
    database.close();
  }
}

function lock(database: DatabaseSync): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) return false;
    throw error;
  }
}
