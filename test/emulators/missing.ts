/** An emulator that is not to be had here: its tests are skipped by name with how to get it, and where `CI=true` that is a failure. */

/** `why`: what `missingCosmosEmulator` or `missingStorageEmulator` says. @returns whether to skip. */
export function isMissing(why: string | undefined): boolean {
  if (why === undefined) return false;
  if (process.env.CI === 'true') throw new Error(why);
  process.stderr.write(`skipped: ${why}\n`);
  return true;
}
