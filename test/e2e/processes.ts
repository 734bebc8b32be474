/** Which processes there are, as `ps` tells: to prove that nothing is left behind. */
import { spawnSync } from 'node:child_process';

/** All that descend from `pid`, itself not among them. */
export function descendantsOf(pid: number): readonly number[] {
  const listing = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  const rows = listing.stdout
    .trim()
    .split('\n')
    .map((row) => row.trim().split(/\s+/).map(Number))
    .filter(([child]) => child !== listing.pid);
  const found: number[] = [];
  for (let parents = [pid]; parents.length > 0; ) {
    const children = rows.flatMap(([child, parent]) =>
      child !== undefined && parent !== undefined && parents.includes(parent) ? [child] : [],
    );
    found.push(...children);
    parents = children;
  }
  return found;
}

/** A zombie has ended, whether or not somebody has looked. */
export function isRunning(pid: number): boolean {
  const state = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim();
  return state !== '' && !state.startsWith('Z');
}

/** Its command line; empty when it is gone. */
export function commandOf(pid: number): string {
  return spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim();
}
