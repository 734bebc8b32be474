/** Every parser of outside data. */
import type { Running } from './target.ts';
import { archiveTargets } from './targets/archive.ts';
import { certificateTargets } from './targets/certificates.ts';
import { commandLineTargets } from './targets/command-line.ts';
import { intakeTargets } from './targets/intake.ts';
import { serverTargets } from './targets/servers.ts';
import { specTargets } from './targets/spec.ts';
import { storedTargets } from './targets/stored.ts';
import { xdsTargets } from './targets/xds.ts';

export async function allTargets(): Promise<Running> {
  const [stored, ...running] = await Promise.all([storedTargets(), certificateTargets(), serverTargets(), commandLineTargets()]);
  return {
    targets: [...intakeTargets, ...archiveTargets, ...specTargets, ...xdsTargets, ...stored, ...running.flatMap(({ targets }) => targets)],
    stop: async () => void (await Promise.all(running.map(({ stop }) => stop()))),
  };
}
