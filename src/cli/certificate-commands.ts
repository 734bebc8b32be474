/** The commands about certificates, as the command line has them. What they do is in `rotating.ts`. */
import { Argument, type Command, Option } from 'commander';
import type { Connection } from './connection.ts';
import {
  type CertificatesOptions,
  ROTATION_STEPS,
  type RotateOptions,
  type RotationStep,
  type RotationStepOptions,
  rotate,
  showCertificates,
  stepIntoRotation,
} from './rotating.ts';
import type { Terminal } from './terminal.ts';

const mesh = () => new Option('--mesh <name>', 'the mesh, where there are several');
const reason = () => new Option('--reason <text>', 'why, for the journal and the card');

export function addCertificates(program: Command, terminal: Terminal, connection: () => Connection): void {
  program
    .command('certificates')
    .description('roots, issuers and workloads: who trusts what, who presents what, until when')
    .addOption(mesh())
    .option('--json', 'print JSON, for scripts')
    .action((options: CertificatesOptions) => showCertificates(connection(), terminal, options));
  program
    .command('rotate')
    .description('replace the root of a mesh, each phase once everybody was seen to be ready for it; follows it to its end')
    .addOption(mesh())
    .addOption(reason())
    .option('--dry-run', 'only show every write, who is not ready, and how long it takes')
    .option('--compromised', 'the root is not to be trusted: nothing soaks, and gates can be forced; shows first who breaks')
    .option('--yes', 'with --compromised: go on')
    .option('--no-wait', 'only begin it')
    .action((options: RotateOptions) => rotate(connection(), terminal, options));
  program
    .command('rotation')
    .description('step into a rotation: take it back, approve a gate, let a prepared root be used, or force a gate')
    .addArgument(new Argument('<step>').choices([...ROTATION_STEPS]))
    .addOption(mesh())
    .addOption(reason())
    .addOption(new Option('--gate <gate>', 'what is approved').choices(['issuing', 'pruning']))
    .action((step: RotationStep, options: RotationStepOptions) => stepIntoRotation(connection(), terminal, step, options));
}
