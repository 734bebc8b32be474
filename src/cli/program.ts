/** The command line of `meshwright`: its commands, options and help. What they do is in the files beside this one. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import { jsonSchema, SPEC_KINDS } from '../spec/json-schema.ts';
import { DATA_PLANE_KINDS } from '../spec/schema.ts';
import { type AgentAsked, runAgent } from './agent.ts';
import { exportJournal, importJournal, verifyJournal } from './archiving.ts';
import { addCertificates } from './certificate-commands.ts';
import { type Connection, connect, type Installation } from './connection.ts';
import { type DeadLetterOptions, deadLetters } from './dead-letters.ts';
import { type DriftOptions, showDrift } from './drifting.ts';
import { type BootstrapAsked, printBootstrap } from './envoy-bootstrap.ts';
import { type ExportOptions, exportSpec } from './exporting.ts';
import { type ExitCode, Failure } from './failure.ts';
import { type ImportOptions, importSpec } from './importing.ts';
import { type JoinOptions, makeJoinToken } from './joining.ts';
import { type PlanOptions, showPlan } from './planning.ts';
import { type JournalOptions, type StatusOptions, showJournal, showParked, showStatus } from './reading.ts';
import { type ShadowOptions, showShadow } from './shadowing.ts';
import {
  type AlertOptions,
  applySpec,
  type DeployOptions,
  deploy,
  type StepIn,
  type StepInOptions,
  sendAlert,
  sendEvent,
  stepIn,
} from './stepping-in.ts';
import type { Terminal } from './terminal.ts';

const MOST_COMMITS = 1_000;
/** A week. */
const MOST_HOURS = 168;

/** `argv` without the program's name. Never rejects for what a user or a server did. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<0 | ExitCode> {
  try {
    await programFor(terminal).parseAsync(argv, { from: 'user' });
    return 0;
  } catch (error) {
    // Commander has said what is wrong by itself, or printed the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof Failure)) throw error;
    terminal.err([error.message, ...error.details].join('\n'));
    return error.exitCode;
  }
}

function programFor(terminal: Terminal): Command {
  const program = new Command('meshwright')
    .description('Watch rollouts in a service mesh, and step in.')
    .option('--url <address>', 'where meshwright answers (MESHWRIGHT_URL; http://localhost:7071)')
    .option('--audience <id>', 'on Azure: the app registration that tokens are asked for (MESHWRIGHT_AUDIENCE)')
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text.trimEnd()), writeErr: (text) => terminal.err(text.trimEnd()) })
    .showHelpAfterError('Ask for --help to see how it is used.');
  const connection = (): Connection => connect(program.opts<Installation>(), terminal);
  addReading(program, terminal, connection);
  addStarting(program, terminal, connection);
  addSteppingIn(program, terminal, connection);
  addPlanning(program, terminal, connection);
  addIdentities(program, terminal, connection);
  addCertificates(program, terminal, connection);
  addOffline(program, terminal);
  return program;
}

const mesh = () => new Option('--mesh <name>', 'the mesh, where several have such a service');
const json = () => new Option('--json', 'print JSON, for scripts');

function addReading(program: Command, terminal: Terminal, connection: () => Connection): void {
  program
    .command('status')
    .description('what every service is at: weights, rollout, what ends it and when, what is owed')
    .addOption(new Option('--mesh <name>', 'of this mesh only'))
    .addOption(json())
    .option('--watch', 'show it anew each second')
    .action((options: StatusOptions) => showStatus(connection(), terminal, options));
  const journal = program
    .command('journal')
    .description('what was decided for a service: when, by whom, what and why')
    .argument('<service>')
    .addOption(mesh())
    .addOption(json())
    .option('--limit <count>', 'of the newest', countOf, 50)
    .action((service: string, options: JournalOptions) => showJournal(connection(), terminal, service, options));
  journal
    .command('export')
    .description('the whole journal, into a file of JSON Lines that its own chains verify')
    .argument('<file>', 'which is not there yet')
    .action((file: string) => exportJournal(connection(), terminal, file));
  journal
    .command('verify')
    .description('whether an exported journal is as it was written: nothing changed, left out or put in')
    .argument('<file>')
    .option('--anchors <where>', 'also whether it still has what was anchored each day: a folder, or the address of the container')
    .action((file: string, options: { anchors?: string }) => verifyJournal(terminal, file, options));
  journal
    .command('import')
    .description('an exported journal into an empty installation')
    .argument('<file>')
    .action((file: string) => importJournal(connection(), terminal, file));
  program
    .command('drift')
    .description('look now whether data planes have what was decided; exits 4 where one does not, 1 where it cannot be seen')
    .argument('[service]', 'of this service only')
    .addOption(new Option('--mesh <name>', 'of this mesh only'))
    .addOption(json())
    .option('--seen', 'what was seen when it was looked for last')
    .action((service: string | undefined, options: DriftOptions) => showDrift(connection(), terminal, service, options));
  program
    .command('shadow')
    .description('look now which calls a service in `mtls: shadow` would have refused; exits 4 where that keeps it from becoming strict')
    .argument('<service>')
    .addOption(mesh())
    .addOption(json())
    .action((service: string, options: ShadowOptions) => showShadow(connection(), terminal, service, options));
  program
    .command('parked')
    .description('deliveries that nobody could act on')
    .argument('[id]', 'of one: what came, to be sent again')
    .addOption(json())
    .action((id: string | undefined, options: { json?: boolean }) => showParked(connection(), terminal, id, options));
  program
    .command('dead-letters')
    .description('what came and was not acted on: parked here, not delivered by Event Grid, or failed each time it was tried')
    .argument('[id]', 'of one: what came')
    .option('--send', 'send it again')
    .option('--all', 'with --send: all that there are, the oldest first')
    .addOption(json())
    .action((id: string | undefined, options: DeadLetterOptions) => deadLetters(connection(), terminal, id, options));
}

function addStarting(program: Command, terminal: Terminal, connection: () => Connection): void {
  program
    .command('deploy')
    .description('ask for a version of a service')
    .argument('<service>')
    .argument('<version>')
    .addOption(mesh())
    .option('--digest <digest>', 'of the artifact, to tell two pushes of one version apart')
    .option('--again', 'also if this version was taken back')
    .action((service: string, version: string, options: DeployOptions) => deploy(connection(), terminal, service, version, options));
  program
    .command('apply')
    .description('adopt the spec of a mesh: every .yaml and .yml file in a folder')
    .argument('<folder>')
    .option('--accept-refusals', 'also if services become strict that would refuse calls, or of which that cannot be seen')
    .action((folder: string, options: { acceptRefusals?: boolean }) => applySpec(connection(), terminal, folder, options));
  program
    .command('event')
    .description('send one event, in CloudEvents or Event Grid schema')
    .argument('<file>', 'JSON; - reads what comes in')
    .option('--again', 'also if the version was taken back')
    .action((file: string, options: { again?: boolean }) => sendEvent(connection(), terminal, file, options));
  program
    .command('alert')
    .description('send an alert about a service, as Azure Monitor would')
    .argument('<service>')
    .addOption(mesh())
    .option('--rule <name>', 'name of the alert rule (<service> failures)')
    .option('--resolved', 'the end of it')
    .action((service: string, options: AlertOptions) => sendAlert(connection(), terminal, service, options));
}

function addSteppingIn(program: Command, terminal: Terminal, connection: () => Connection): void {
  const add = (action: StepIn, description: string, options: readonly Option[] = []) => {
    const command = program.command(action).description(description).argument('<service>').addOption(mesh());
    for (const option of options) command.addOption(option);
    command.action((service: string, given: StepInOptions) => stepIn(connection(), terminal, action, service, given));
  };
  const reason = () => new Option('--reason <text>', 'why, for the journal and the card');
  add('pause', 'keep a rollout at its weight', [reason()]);
  add('resume', 'let a paused rollout go on, or one that waits begin');
  add('promote', 'give a rollout all traffic now');
  add('abort', 'take a rollout back now', [
    reason(),
    new Option('--force', 'even onto a version that is known to be down; again: wait for nobody who is not seen to be back'),
  ]);
}

function addPlanning(program: Command, terminal: Terminal, connection: () => Connection): void {
  program
    .command('plan')
    .description('what every data plane would be given for a spec, and what it cannot say of it')
    .argument('<folder>')
    .option('--against', 'also what would change of what is adopted where meshwright answers')
    .addOption(json())
    .action((folder: string, { against, ...options }: PlanOptions & { against?: boolean }) =>
      showPlan(against ? connection() : undefined, terminal, folder, options),
    );
  program
    .command('export')
    .description('write a spec as the resources of one mesh, whatever data planes it names')
    .requiredOption('--mesh <folder>', 'the folder of the spec')
    .addOption(new Option('--as <mesh>', 'what they are for').choices([...DATA_PLANE_KINDS]).makeOptionMandatory())
    .requiredOption('--out <folder>', 'where they are written, one file each')
    .option('--custom-resources', 'with --as consul: as custom resources of consul-k8s, for kubectl apply')
    .option('--force', 'overwrite what no export wrote')
    .addOption(json())
    .action((options: ExportOptions) => exportSpec(terminal, options));
  program
    .command('import')
    .description('write what another mesh has as a spec, and a report of what becomes of everything')
    .argument('[folder]', 'YAML and JSON as kubectl and consul give them; or read a cluster, or both')
    .requiredOption('--out <folder>', 'where the spec and the report are written')
    .option('--mesh <name>', 'name of the mesh', 'imported')
    .addOption(new Option('--to <mesh>', 'the mesh that it is to run on (the one it comes from)').choices([...DATA_PLANE_KINDS]))
    .option('--kubeconfig <file>', 'read the cluster of this kubeconfig')
    .option('--context <name>', 'which context of it (its current one)')
    .option('--consul <address>', 'read the config entries of this Consul (token: CONSUL_HTTP_TOKEN)')
    .addOption(new Option('--consul-default <policy>', "Consul's default for calls that no intention speaks of").choices(['allow', 'deny']))
    .option('--force', 'overwrite what is there')
    .addOption(json())
    .action((folder: string | undefined, options: ImportOptions) => importSpec(terminal, folder, options));
}

function addIdentities(program: Command, terminal: Terminal, connection: () => Connection): void {
  program
    .command('join-token')
    .description('make a token by which a workload comes into the mesh, once')
    .argument('<namespace/service-account>', 'who it is to be')
    .requiredOption('--mesh <name>', 'the mesh')
    .option('--hours <count>', 'how long it may be used (1)', hoursOf)
    .addOption(json())
    .action((workload: string, options: JoinOptions) => makeJoinToken(connection(), terminal, workload, options));
  program
    .command('agent')
    .description('stand beside an Envoy: keep its certificate, and report what it has loaded')
    .requiredOption('--mesh <name>', 'the mesh')
    .requiredOption('--data-plane <name>', 'the data plane it is part of, as in the spec')
    .requiredOption('--node <id>', "as in the Envoy's bootstrap")
    .requiredOption('--identity <directory>', "the one of the Envoy's bootstrap")
    .option('--join-token <file>', 'says who the workload is: a token of `meshwright join-token`')
    .option('--kubernetes-token <file>', 'or the projected token of its service account')
    .option('--entra-token <file>', 'or an access token of Entra ID that something keeps fresh')
    .option('--spiffe-id <id>', 'which identity to ask for, where the token allows several')
    .option('--admin <address:port>', "Envoy's admin interface, to report what it has loaded")
    .option('--xds <address>', 'the door of the xds server that takes the reports, such as http://127.0.0.1:18001')
    .option('--token-file <file>', 'the token for the xds server')
    .option('--once', 'until there is a leaf that counts, for whoever starts the Envoy after it')
    .action((asked: AgentAsked) => runAgent(program.opts<{ url?: string }>().url, terminal, asked));
}

function addOffline(program: Command, terminal: Terminal): void {
  program
    .command('envoy')
    .description('plain Envoys')
    .command('bootstrap')
    .description('print what an Envoy is started with')
    .requiredOption('--node <id>', 'name of this Envoy, its own')
    .requiredOption('--mesh <name>', 'the mesh')
    .requiredOption('--data-plane <name>', 'the data plane it is part of, as in the spec')
    .requiredOption('--xds <host:port>', 'where the xds server listens')
    .option('--outbound <address:port>', 'where it takes the calls of its own workload')
    .option('--inbound <address:port>', 'where it takes the calls of others')
    .option('--workload <service/version:port>', 'what stands behind --inbound, such as catalog/v1:8080')
    .option('--gateway <address:port>', 'where it takes calls from outside')
    .option('--gateway-name <namespace/name>', 'the gateway it is, as `ingress` in the specs names it')
    .option('--identity <directory>', 'where its certificate and trust bundle are: default.yaml and bundle.yaml; without it no mTLS')
    .option(
      '--authorities <file>',
      'by which hosts outside the mesh are known, such as who issues tokens (/etc/ssl/certs/ca-certificates.crt)',
    )
    .option('--admin <address:port>', "Envoy's own admin interface; without it there is none")
    .option('--token-file <file>', 'the token for the xds server, which then is part of what is printed')
    .action((asked: BootstrapAsked) => printBootstrap(terminal, asked));
  program
    .command('schema')
    .description('print the JSON Schema of what people write, for editors')
    .addArgument(new Argument('<kind>').choices([...SPEC_KINDS]))
    .action((kind: (typeof SPEC_KINDS)[number]) => terminal.out(JSON.stringify(jsonSchema(kind), null, 2)));
}

function hoursOf(text: string): number {
  const hours = z.coerce.number().int().min(1).max(MOST_HOURS).safeParse(text);
  if (!hours.success) throw new InvalidArgumentError(`Give a whole number from 1 to ${MOST_HOURS}.`);
  return hours.data;
}

function countOf(text: string): number {
  const count = z.coerce.number().int().min(1).max(MOST_COMMITS).safeParse(text);
  if (!count.success) throw new InvalidArgumentError(`Give a whole number from 1 to ${MOST_COMMITS}.`);
  return count.data;
}
